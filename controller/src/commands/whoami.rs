//! `controller whoami`: who an agent believes you to be, and what you may ask it.

use clap::Args;
use protocol::requests::whoami::{self, You};

use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::plain;

/// Who an agent believes you to be, and what you may ask it.
#[derive(Debug, Args)]
pub struct Whoami {
    /// A name, an address, or either with :PORT.
    #[arg(add = completion::hosts())]
    pub host: String,
}

impl Whoami {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let you = desk.connect(&self.host).await?.ask(whoami::Whoami {}).await?;
        desk.show(&self.host, &you)?;
        Ok(Exit::Answered)
    }
}

impl Show for You {
    const SCHEMA: &'static str = "rollcall.whoami/1";

    fn table(&self, _: &str) -> String {
        let teams = match self.teams.is_empty() {
            true => "none".to_owned(),
            false => self.teams.join(", "),
        };
        let lines = [
            ("you are", self.identity.clone()),
            ("teams", teams),
            ("certificate", format!("{} until {}", self.serial, self.certificate_ends)),
            ("you may", self.may.join(", ")),
        ];
        lines.map(|(label, value)| format!("{label:<12} {}\n", plain(&value))).concat()
    }
}
