//! `controller check`: a declared check, by the convention of monitoring plugins: one of four exit codes, and a line on standard
//! output whatever happened.

use std::time::Duration;

use clap::Args;
use protocol::requests::check::{self, Checked, State};
use protocol::requests::explain::Sort;
use serde::Serialize;

use crate::commands::explain::{explain, parameters, parse_parameter};
use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::{harmless, plain};

/// The agent ends a check whose time is over; this is for an agent that does not answer at all.
const PATIENCE: Duration = Duration::from_secs(300);

/// Run a check that a machine's owner declared: exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
#[derive(Debug, Args)]
pub struct Check {
    /// A name, an address, or either with :PORT.
    #[arg(add = completion::hosts())]
    pub host: String,
    /// As it is declared there: `controller caps HOST` lists them.
    #[arg(add = completion::declared())]
    pub name: String,
    /// A value for each of its parameters.
    #[arg(value_name = "NAME=VALUE", value_parser = parse_parameter, add = completion::parameters())]
    pub parameters: Vec<(String, String)>,
    /// Show what exactly would run, and do not run it.
    #[arg(long)]
    pub explain: bool,
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
        let parameters = parameters(&self.parameters)?;
        if self.explain {
            return explain(desk, &self.host, Sort::Check, &self.name, parameters).await;
        }
        let ask = check::Check { name: self.name.clone(), parameters };
        match self.ask(desk, ask).await {
            Ok(checked) => {
                let output = String::from_utf8_lossy(&checked.output).into_owned();
                desk.show(&self.host, &Found { checked: &checked, output })?;
                Ok(Exit::Program(checked.state.code()))
            }
            Err(trouble) => {
                if desk.is_table() {
                    desk.print(&format!(
                        "UNKNOWN - {}\n",
                        plain(trouble.text().lines().next().unwrap_or_default())
                    ))?;
                }
                desk.report(&trouble);
                Ok(Exit::Program(State::Unknown.code()))
            }
        }
    }

    async fn ask(&self, desk: &Desk, ask: check::Check) -> Result<Checked, Trouble> {
        let mut client = desk.connect(&self.host).await?;
        Ok(client.ask_within(ask, desk.timeout.max(PATIENCE)).await?)
    }
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
