//! `controller sync`: carries the newest revocation list to machines, or fetches it from them.

use std::cmp::Ordering;

use clap::Args;

use crate::carry::{Carried, carry};
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::output::Show;

/// Carry the newest list of what is void to machines, and fetch it from them.
#[derive(Debug, Args)]
pub struct Sync {
    /// Names, addresses, or either with :PORT.
    #[arg(required_unless_present = "all")]
    pub hosts: Vec<String>,
    /// Every machine in hosts.toml.
    #[arg(long, conflicts_with = "hosts")]
    pub all: bool,
}

impl Show for Carried {
    const SCHEMA: &'static str = "rollcall.sync/1";

    fn table(&self, host: &str) -> String {
        let Carried { number, agent_had, controller_had } = self;
        match agent_had.cmp(controller_had) {
            _ if *number == 0 => format!("{host}: nothing is revoked\n"),
            Ordering::Equal => format!("{host}: has list {number} already\n"),
            Ordering::Less if *agent_had == 0 => format!("{host}: has list {number} now, its first\n"),
            Ordering::Less => format!("{host}: has list {number} now, in place of {agent_had}\n"),
            Ordering::Greater => format!("{host}: had a newer list, {number}, which is here now\n"),
        }
    }
}

impl Sync {
    /// Goes from one to the other.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let all = if self.all { desk.home.inventory()?.names() } else { self.hosts.clone() };
        let mut exits = Vec::new();
        for host in &all {
            exits.push(match self.sync(desk, host).await {
                Ok(()) => Exit::Answered,
                Err(trouble @ Trouble::Host(_)) => desk.report(&trouble),
                Err(other) => return Err(other),
            });
        }
        Ok(Exit::of_all(&exits))
    }

    async fn sync(&self, desk: &Desk, host: &str) -> Result<(), Trouble> {
        // Read anew for each: the machine before may have had a newer list.
        let credentials = desk.home.credentials()?;
        let meant = desk.resolve(host)?;
        let mut client = desk.approach(&meant, &credentials)?.walk().await?;
        desk.show(host, &carry(&mut client, &credentials).await?)
    }
}
