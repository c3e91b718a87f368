//! `--explain` of `run` and `check`: what exactly would be started, without starting it.

use std::collections::BTreeMap;

use protocol::requests::explain::{Explain, Plan, Sort};

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::{bytes, plain};

/// `NAME=VALUE`.
pub(crate) fn parse_parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a parameter is given as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Each parameter once.
pub(crate) fn parameters(given: &[(String, String)]) -> Result<BTreeMap<String, String>, Trouble> {
    let parameters: BTreeMap<String, String> = given.iter().cloned().collect();
    if parameters.len() < given.len() {
        let what = "a parameter is given twice".to_owned();
        return Err(Trouble::Here(what, "nothing was asked; give each once".to_owned()));
    }
    Ok(parameters)
}

/// Asks and shows.
pub(crate) async fn explain(
    desk: &Desk,
    host: &str,
    sort: Sort,
    name: &str,
    parameters: BTreeMap<String, String>,
) -> Result<Exit, Trouble> {
    let ask = Explain { sort, name: name.to_owned(), parameters };
    let plan = desk.connect(host).await?.ask(ask).await?;
    desk.show(host, &plan)?;
    Ok(Exit::Answered)
}

impl Show for Plan {
    const SCHEMA: &'static str = "rollcall.explain/1";

    fn table(&self, _: &str) -> String {
        let mut lines: Vec<(&str, String)> = Vec::new();
        for (number, argument) in self.argv.iter().enumerate() {
            // In quotes: where one ends and the next begins is the point.
            lines.push((if number == 0 { "program" } else { "argument" }, format!("{argument:?}")));
        }
        lines.push(("user", self.user.clone().unwrap_or_else(|| "the agent's own".to_owned())));
        lines.push(("folder", self.folder.clone()));
        for (name, value) in &self.environment {
            lines.push(("environment", format!("{name}={value:?}")));
        }
        lines.push(("timeout", format!("{} s", self.timeout_seconds)));
        lines.push(("output", format!("at most {}", bytes(self.max_output_bytes))));
        lines.push(("at once", format!("at most {}", self.max_running)));
        lines.extend(self.sha256.iter().map(|hash| ("sha256", hash.clone())));
        lines.iter().map(|(label, value)| format!("{label:<12} {}\n", plain(value))).collect()
    }
}
