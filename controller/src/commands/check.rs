//! `controller check`: a declared check, by the convention of monitoring plugins: one of four exit codes, and a line on standard
//! output whatever happened.

use clap::Args;
use protocol::requests::check::{self, Checked, State};
use protocol::requests::explain::Sort;
use serde::Serialize;

use crate::commands::declared::{PATIENCE, What};
use crate::commands::explain::explain;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::{harmless, plain};

/// Run a check that a machine's owner declared: exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
#[derive(Debug, Args)]
pub struct Check {
    /// Which, and with what.
    #[command(flatten)]
    pub what: What,
}

/// What the check found, with its words as text.
#[derive(Debug, Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    checked: &'a Checked,
    output: String,
}

impl Check {
    /// Asks and shows. Whatever is in the way is `UNKNOWN`.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let asked = match self.what.explain {
            true => explain(desk, Sort::Check, &self.what).await,
            false => match self.ask(desk).await {
                Ok(checked) => return self.show(desk, &checked),
                Err(trouble) => Err(trouble),
            },
        };
        let Err(trouble) = asked else { return asked };
        if desk.is_table() && !self.what.explain {
            let text = trouble.text();
            desk.print(&unknown(text.lines().next().unwrap_or_default()))?;
        }
        desk.report(&trouble);
        Ok(Exit::Program(State::Unknown.code()))
    }

    fn show(&self, desk: &Desk, checked: &Checked) -> Result<Exit, Trouble> {
        let output = String::from_utf8_lossy(&checked.output).into_owned();
        desk.show(&self.what.hosts, &Found { checked, output })?;
        Ok(Exit::Program(checked.state.code()))
    }

    async fn ask(&self, desk: &Desk) -> Result<Checked, Trouble> {
        let What { hosts: host, name, .. } = &self.what;
        let ask = check::Check { name: name.clone(), parameters: self.what.values()? };
        let mut client = desk.connect(host).await?;
        Ok(client.ask_within(ask, desk.patience.unwrap_or(PATIENCE)).await?)
    }
}

/// The line that stands on standard output when there is nothing else to say.
pub fn unknown(why: &str) -> String {
    format!("{} - {}\n", State::Unknown.word(), plain(why))
}

impl Show for Found<'_> {
    const SCHEMA: &'static str = "rollcall.check/1";

    fn table(&self, _: &str) -> String {
        let Found { checked, output } = self;
        let mut text = match &checked.why {
            Some(why) => format!("{} - {}\n", checked.state.word(), plain(why)),
            None => String::new(),
        };
        text += &harmless(output);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}
