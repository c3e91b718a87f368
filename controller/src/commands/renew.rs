//! `controller renew`: new certificates for machines that serve, before the old ones end.

use std::collections::HashSet;

use clap::{ArgGroup, Args};
use jiff::{SignedDuration, Timestamp};

use crate::cli::{parse_days, parse_life};
use crate::desk::Desk;
use crate::error::{Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::office::Office;

/// Give machines new certificates before the old ones end, while they serve.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["hosts", "all", "expiring"])))]
#[command(
    after_help = "Each machine makes a new key, which never leaves it. What runs there goes on, and no connection ends."
)]
pub struct Renew {
    /// The machines: names, addresses, or either with :PORT.
    #[arg(value_name = "HOST")]
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
}

impl Renew {
    /// Renews, and shows what became of each.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let office = &Office::open(desk)?;
        if let [one] = &self.hosts[..] {
            desk.show(one, &office.renew(one, self.life).await?)?;
            return Ok(Exit::Answered);
        }
        let mut due = if self.hosts.is_empty() { self.due(office)? } else { self.hosts.clone() };
        let mut seen = HashSet::new();
        due.retain(|host| seen.insert(host.clone()));
        let hint = "mend that and renew it again; the old certificate is still in force";
        let fleet = Fleet { desk, done: "renewed", not_begun: Kind::RenewalNotSigned, hint };
        fleet.each(due.iter().map(|host| (host.as_str(), office.renew(host, self.life)))).await
    }

    /// The machines that are known by name and whose turn it is. One whose certificate has ended is believed by nobody.
    fn due(&self, office: &Office<'_>) -> Result<Vec<String>, Trouble> {
        let inventory = office.desk.home.inventory()?;
        let registry = office.registry.borrow();
        let (now, known) = (Timestamp::now(), office.credentials.revocations());
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
