//! `controller renew`: new certificates for machines that serve, before the old ones end.

use std::collections::HashSet;
use std::time::Instant;

use certs::{Address, Grant, Identity, Peer, Request, Validity};
use clap::{ArgGroup, Args};
use jiff::{SignedDuration, Timestamp};
use protocol::requests::{install, renew};
use serde::Serialize;

use crate::cli::{parse_days, parse_life};
use crate::desk::Desk;
use crate::error::{Failure, Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::hosts::Host;
use crate::office::Office;
use crate::output::Show;
use crate::registry::How;

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

/// What became of a machine.
#[derive(Debug, Serialize)]
struct Renewed {
    name: String,
    address: String,
    serial: String,
    certificate_ends: Timestamp,
    took_seconds: f64,
}

impl Show for Renewed {
    const SCHEMA: &'static str = "rollcall.renew/1";

    fn table(&self, _: &str) -> String {
        let Renewed { name, address, certificate_ends, .. } = self;
        format!("{name} at {address} is renewed, until {certificate_ends:.0}\n")
    }
}

impl Renew {
    /// Renews, and shows what became of each.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let office = &Office::open(desk)?;
        if let [one] = &self.hosts[..] {
            desk.show(one, &self.renew(one, office).await?)?;
            return Ok(Exit::Answered);
        }
        let mut due = if self.hosts.is_empty() { self.due(office)? } else { self.hosts.clone() };
        let mut seen = HashSet::new();
        due.retain(|host| seen.insert(host.clone()));
        let hint = "mend that and renew it again; the old certificate is still in force";
        let fleet = Fleet { desk, done: "renewed", not_begun: Kind::RenewalNotSigned, hint };
        fleet.each(due.iter().map(|host| (host.as_str(), self.renew(host, office)))).await
    }

    /// The machines that are known by name and whose turn it is. One whose certificate has ended is believed by nobody.
    fn due(&self, office: &Office<'_>) -> Result<Vec<String>, Trouble> {
        let inventory = office.desk.home.inventory()?;
        let registry = office.registry.borrow();
        let now = Timestamp::now();
        let mut due = Vec::new();
        for issued in registry.newest_of_agents() {
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

    async fn renew(&self, label: &str, office: &Office<'_>) -> Result<Renewed, Trouble> {
        let began = Instant::now();
        let host = office.desk.resolve(label)?;
        let mut client = office.greet(&host).await?;
        let identity = client.greeted().peer.identity.clone();
        let asked = client.ask(renew::Renew {}).await?;
        let request = Request::read(asked.der.to_vec().into())
            .map_err(|error| Failure::nonsense(&host, &error.to_string()))?;
        let addresses = addresses(&identity, &host, office);
        let validity = Validity::lasting(self.life);
        let grant = Grant { identity: &identity, teams: &[], addresses: &addresses, validity };
        let signed = office.sign(request.der(), &grant, How::Renew)?;
        let serial = Peer::read(&signed.certificate)?.serial;
        let certificates = signed.to_text().into_bytes().into();
        let told = client.ask(install::Install { certificates }).await;
        // The agent may have taken the certificate and the answer got lost: what counts is what it shows now.
        let host = Host { expected: Some(identity.name.clone()), ..host };
        let client = match (office.greet(&host).await, told) {
            (Ok(client), _) if client.greeted().peer.serial == serial => client,
            (_, Err(failure)) => return Err(failure.into()),
            (Err(trouble), Ok(_)) => return Err(trouble),
            (Ok(client), Ok(_)) => return Err(Failure::not_shown(&host, &client.greeted().peer).into()),
        };
        let greeted = client.greeted();
        Ok(Renewed {
            name: identity.name.to_string(),
            address: greeted.reached.to_string(),
            serial: serial.to_string(),
            certificate_ends: greeted.peer.not_after,
            took_seconds: began.elapsed().as_secs_f64(),
        })
    }
}

/// Those of the certificate before, where it was signed here.
fn addresses(identity: &Identity, host: &Host, office: &Office<'_>) -> Vec<Address> {
    match office.registry.borrow().newest(identity) {
        Some(issued) => issued.addresses.clone(),
        None => host.endpoints.iter().map(|endpoint| endpoint.address.clone()).collect(),
    }
}
