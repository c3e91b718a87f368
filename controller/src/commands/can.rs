//! `controller can`: whether you may ask an agent something, as an exit code.

use clap::Args;
use protocol::requests::can::{self, Verdict};

use crate::caller::Caller;
use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::plain;

/// Whether you may ask an agent something: exit code 0 for yes, 1 for no.
#[derive(Debug, Args)]
pub struct Can {
    /// A name, an address, or either with :PORT.
    #[arg(add = completion::hosts())]
    pub host: String,
    /// A request, such as `info`; or one thing that a request can do, such as `run:restart-nginx`.
    #[arg(value_name = "REQUEST")]
    pub permission: String,
}

impl Can {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        desk.demand_form_of_one()?;
        let ask = can::Can { permission: self.permission.clone() };
        let verdict = Caller::at(desk)?.meet(&self.host).await?.ask(ask).await?;
        desk.show(&self.host, &verdict)?;
        Ok(if verdict.allowed { Exit::Answered } else { Exit::Refused })
    }
}

impl Show for Verdict {
    const SCHEMA: &'static str = "rollcall.can/1";

    fn table(&self, _: &str) -> String {
        let mut text = if self.allowed { "yes\n".to_owned() } else { "no\n".to_owned() };
        for (label, line) in [("why", &self.why), ("try", &self.hint)] {
            if let Some(line) = line {
                text += &format!("  {label}: {}\n", plain(line));
            }
        }
        text
    }
}
