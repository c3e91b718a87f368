//! `controller whoami`: who an agent believes you to be, and what you may ask it.

use clap::Args;
use protocol::requests::whoami::{self, You};

use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::human::plain;
use crate::output::{Cell, Column, Show};

/// Who an agent believes you to be, and what you may ask it.
#[derive(Debug, Args)]
pub struct Whoami {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

impl Whoami {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        fleet.ask(&self.hosts, async |client| Ok(client.ask(whoami::Whoami {}).await?)).await
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

    fn columns() -> Vec<Column<You>> {
        vec![
            Column::other("you are", "identity", |it| Cell::text(&it.identity)),
            Column::other("teams", "teams", |it| Cell::text(&it.teams.join(" "))),
            Column::other("until", "certificate_ends", |it| Cell::text(&it.certificate_ends.to_string())),
            Column::other("you may", "may", |it| Cell::text(&it.may.join(" "))),
        ]
    }
}
