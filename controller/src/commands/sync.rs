//! `controller sync`: carries the newest revocation list to machines, or fetches it from them.

use std::cmp::Ordering;

use certs::Credentials;
use clap::Args;

use crate::carry::{Carried, carry};
use crate::desk::Desk;
use crate::error::{Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::output::Show;
use crate::registry;

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
    /// Carries, and shows who had what.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let credentials = &desk.home.credentials()?;
        if let [one] = &self.hosts[..] {
            desk.show(one, &sync(desk, credentials, one).await?)?;
            return Ok(Exit::Answered);
        }
        let mut all = match self.all {
            true => desk.home.inventory()?.names().map(ToString::to_string).collect(),
            false => self.hosts.clone(),
        };
        if self.all {
            // Nobody believes them, and so nobody can tell them.
            let void = registry::void_machines(&desk.home, credentials.revocations())?;
            all.retain(|name| void.iter().all(|void| void.as_str() != name));
        }
        let hint = "mend that and carry the list again; nobody was asked anything";
        let fleet = Fleet { desk, done: "in step", not_begun: Kind::NotAsked, hint };
        fleet.each(all.iter().map(|host| (host.as_str(), sync(desk, credentials, host)))).await
    }
}

async fn sync(desk: &Desk, credentials: &Credentials, host: &str) -> Result<Carried, Trouble> {
    let host = desk.resolve(host)?;
    let mut client = desk.approach(&host, credentials)?.walk().await?;
    Ok(carry(&mut client, credentials).await?)
}
