//! `controller sync`: carries the newest revocation list to machines, or fetches it from them.

use std::cmp::Ordering;

use clap::Args;

use crate::caller::Caller;
use crate::carry::{Carried, carry};
use crate::completion;
use crate::desk::Desk;
use crate::error::{Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::{Fleet, Which, Words};
use crate::output::Show;
use crate::registry;

/// Carry the newest list of what is void to machines, and fetch it from them.
#[derive(Debug, Args)]
pub struct Sync {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present_any = ["all", "hosts_file"], add = completion::hosts())]
    pub hosts: Vec<String>,
    /// Every machine in hosts.toml.
    #[arg(long, conflicts_with = "hosts")]
    pub all: bool,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

const WORDS: Words = Words {
    done: "in step",
    not_begun: Kind::NotAsked,
    hint: "mend that and carry the list again; nobody was asked anything",
};

impl Show for Carried {
    const SCHEMA: &'static str = "rollcall.sync/1";
    const SAYS_WHOSE: bool = true;

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
        let caller = Caller::at(desk)?;
        let named = if self.all { &["@*".to_owned()] } else { &self.hosts[..] };
        let mut chosen = self.which.choose(named, desk, &caller.inventory)?;
        if self.all {
            // Nobody believes them, and so nobody can tell them.
            let void = registry::void_machines(&desk.home, caller.credentials.revocations())?;
            chosen.labels.retain(|name| void.iter().all(|void| void.as_str() != name));
        }
        let fleet = Fleet { desk, which: &self.which, words: WORDS };
        let sync = async |host: &str| {
            let mut client = caller.approach(&caller.resolve(host)?).walk().await?;
            Ok(carry(&mut client, &caller.credentials).await?)
        };
        fleet.each(&chosen, sync).await
    }
}
