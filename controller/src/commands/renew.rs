//! `controller renew`: new certificates for machines that serve, before the old ones end.

use clap::{ArgGroup, Args};
use jiff::{SignedDuration, Timestamp};

use crate::completion;
use crate::desk::Desk;
use crate::error::{Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::{Chosen, Fleet, Which, Words};
use crate::office::Office;
use crate::span::{parse_days, parse_life};

/// Give machines new certificates before the old ones end, while they serve.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["hosts", "hosts_file", "all", "expiring"])))]
#[command(
    after_help = "Each machine makes a new key, which never leaves it. What runs there goes on, and no connection ends."
)]
pub struct Renew {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(add = completion::hosts())]
    pub hosts: Vec<String>,
    /// Every machine in hosts.toml whose certificate holds.
    #[arg(long)]
    pub all: bool,
    /// Of those, the ones whose certificate ends within this time, such as `30d` or `12h`.
    #[arg(long, value_name = "TIME", value_parser = parse_days)]
    pub expiring: Option<SignedDuration>,
    /// How long the new certificates hold.
    #[arg(long = "for", value_name = "TIME", default_value = "90d", value_parser = parse_life)]
    pub life: SignedDuration,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

const WORDS: Words = Words {
    done: "renewed",
    not_begun: Kind::RenewalNotSigned,
    hint: "mend that and renew it again; the old certificate is still in force",
};

impl Renew {
    /// Renews, and shows what became of each.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let office = &Office::open(desk)?;
        let chosen = match self.all || self.expiring.is_some() {
            true => Chosen { labels: self.due(office)?, is_one: false },
            false => self.which.choose(&self.hosts, desk, &office.caller.inventory)?,
        };
        let fleet = Fleet { desk, which: &self.which, words: WORDS };
        fleet.each(&chosen, async |host| office.renew(host, self.life).await).await
    }

    /// The machines that are known by name and whose turn it is. One whose certificate has ended is believed by nobody.
    fn due(&self, office: &Office<'_>) -> Result<Vec<String>, Trouble> {
        let inventory = office.desk.home.inventory()?;
        let registry = office.registry.borrow();
        let (now, known) = (Timestamp::now(), office.caller.credentials.revocations());
        let mut due = Vec::new();
        for issued in registry.newest_of_agents().filter(|issued| !known.contains(&issued.peer.serial)) {
            let name = &issued.peer.identity.name;
            let left = issued.peer.not_after.duration_since(now);
            match inventory.knows(name) {
                true if left.is_negative() => office.desk.remark(&format!(
                    "{name} is left out: its certificate has ended, so it needs a new one by hand, with `controller issue`"
                )),
                true if self.expiring.is_none_or(|within| left <= within) => due.push(name.to_string()),
                _ => {}
            }
        }
        Ok(due)
    }
}
