//! `controller doctor`: every step on the way to an answer, one by one, and what mends the one that fails.

mod chart;
mod sign;

use std::cell::Cell;
use std::net::SocketAddr;

use certs::{Address, Credentials};
use clap::Args;
use jiff::Timestamp;
use protocol::Kind as Refused;
use protocol::requests::uptime::Uptime;
use protocol::requests::whoami::{Whoami, You};

use self::chart::{Chart, Finding, Step, Ways};
use self::sign::Outcome;
use crate::approach::Approach;
use crate::client::{Client, Greeted};
use crate::commands::time::{Compared, OffsetFound, compare};
use crate::completion;
use crate::desk::Desk;
use crate::error::{Failure, Kind, SET_A_CLOCK, Stage, Trouble};
use crate::exit::Exit;
use crate::expiry::Ending;
use crate::fleet::{ANSWERED, Chosen, Fleet, Which};
use crate::hosts::{Endpoint, Host};
use crate::output::human::{age, age_of_seconds, milliseconds};

/// Find out why a machine does not answer, step by step.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

impl Doctor {
    /// Walks until something makes going on impossible, and shows every step.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        // A list that is damaged is among what there is to find out.
        let inventory = desk.home.inventory().unwrap_or_default();
        let chosen = self.which.choose(&self.hosts, desk, &inventory)?;
        if !chosen.is_one {
            return self.examine_many(desk, &chosen).await;
        }
        let host = &chosen.labels[0];
        let mut chart = Chart::new(desk);
        let exit = match walk(desk, host, &mut chart).await {
            Ok(()) => Exit::Answered,
            Err(Trouble::Stdout(error)) => return Err(Trouble::Stdout(error)),
            Err(trouble) => trouble.exit(),
        };
        desk.show(host, &chart.close())?;
        Ok(exit)
    }

    /// Each has what was found, also where the walk ended early: that is what was asked for.
    async fn examine_many(&self, desk: &Desk, chosen: &Chosen) -> Result<Exit, Trouble> {
        let reached = Cell::new(false);
        let examine = async |host: &str| {
            let mut chart = Chart::silent(desk);
            let walked = walk(desk, host, &mut chart).await;
            let is_away = walked.is_err_and(|trouble| trouble.exit() == Exit::NotReached);
            reached.set(reached.get() || !is_away);
            Ok(chart.close())
        };
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        match fleet.each(chosen, examine).await? {
            Exit::Refused if !reached.get() => Ok(Exit::NotReached),
            exit => Ok(exit),
        }
    }
}

async fn walk(desk: &Desk, host: &str, chart: &mut Chart<'_>) -> Result<(), Trouble> {
    let credentials = chart.demand(Step::Home, desk.home.credentials())?;
    chart.note(home(desk, &credentials))?;
    let host = chart.demand(Step::Host, resolve(desk, host))?;
    chart.note(Finding::good(Step::Host, known(&host)))?;
    let approach =
        chart.demand(Step::OwnIdentity, Approach::new(&host, &credentials, desk.timeout, desk.trace()))?;
    chart.note(own_identity(&host, &credentials))?;

    let addresses = look_up(chart, &host, &approach).await?;
    let mut client = reach(chart, &host, &approach, addresses).await?;
    ask(chart, &mut client).await
}

fn resolve(desk: &Desk, host: &str) -> Result<Host, Trouble> {
    let host = Host::resolve(host, &desk.home.inventory()?);
    host.map_err(|unmeant| desk.home.unmeant(unmeant))
}

fn home(desk: &Desk, credentials: &Credentials) -> Finding {
    let found =
        format!("{} holds the identity of {}", desk.home.path().display(), credentials.own().identity.name);
    if !desk.home.authority_file().exists() {
        return Finding::good(Step::Home, format!("{found}; the authority is kept elsewhere"));
    }
    match desk.home.open_authority() {
        // Whoever only looks is not asked for a passphrase.
        Ok(None) => {
            Finding::good(Step::Home, format!("{found}, and the authority, whose key carries a passphrase"))
        }
        Ok(Some(authority)) => {
            let left = authority.not_after().duration_since(Timestamp::now());
            Finding::good(Step::Home, format!("{found}, and the authority, which ends in {}", age(left)))
        }
        // Asking needs no authority.
        Err(trouble) => Finding::trouble(Step::Home, Outcome::Warning, &trouble),
    }
}

fn known(host: &Host) -> String {
    match &host.expected {
        Some(name) => {
            let endpoints: Vec<String> = host.endpoints.iter().map(ToString::to_string).collect();
            format!("hosts.toml knows {name}, at {}", endpoints.join(", "))
        }
        None => format!("hosts.toml does not know `{}`, so it is an address", host.label),
    }
}

fn own_identity(host: &Host, credentials: &Credentials) -> Finding {
    let (own, now) = (credentials.own(), Timestamp::now());
    // The agent judges by its own clock: it may be this one that is wrong.
    if let Some(failure) = Failure::own_dates(host, own, now) {
        return Finding::trouble(Step::OwnIdentity, Outcome::Warning, &failure.into());
    }
    match Ending::of(own, &host.label, now) {
        Some(ending) => Finding::warning(Step::OwnIdentity, ending.what, &ending.hint),
        None => {
            let left = age(own.not_after.duration_since(now));
            Finding::good(Step::OwnIdentity, format!("{}, certificate ends in {left}", own.identity))
        }
    }
}

async fn look_up<'a>(
    chart: &mut Chart<'_>,
    host: &'a Host,
    approach: &Approach<'_>,
) -> Result<Vec<(&'a Endpoint, SocketAddr)>, Trouble> {
    let mut ways = Ways::of(Step::Lookup);
    let mut found = Vec::new();
    for endpoint in &host.endpoints {
        match approach.look_up(endpoint).await {
            Ok(addresses) => {
                let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
                let shown = match &endpoint.address {
                    Address::Ip(ip) => format!("{ip} is an address already"),
                    Address::Dns(name) => format!("{} is {}", name.as_ref(), shown.join(", ")),
                };
                ways.works(chart, shown)?;
                found.extend(addresses.into_iter().map(|address| (endpoint, address)));
            }
            Err(failure) => ways.fails(chart, failure.into())?,
        }
    }
    ways.demand(chart)?;
    Ok(found)
}

/// Every address, though a verb would be content with the first that connects: on that one everything depends.
async fn reach(
    chart: &mut Chart<'_>,
    host: &Host,
    approach: &Approach<'_>,
    addresses: Vec<(&Endpoint, SocketAddr)>,
) -> Result<Client, Trouble> {
    let mut ways = Ways::of(Step::Connect);
    let mut first = None;
    for (endpoint, address) in addresses {
        match approach.dial(address).await {
            Ok(socket) => {
                ways.works(chart, address.to_string())?;
                // At once: an agent does not wait for long.
                let shaken = approach.shake_hands(endpoint, socket, address).await;
                if first.is_none() {
                    first = Some(greet(chart, shaken, Outcome::Failed)?);
                } else {
                    // It has been told, and another address works.
                    let _ = greet(chart, shaken, Outcome::Warning);
                }
            }
            Err(failure) => ways.fails(chart, failure.into())?,
        }
    }
    ways.demand(chart)?;
    first.ok_or_else(|| Failure::lookup(host, &host.label, "it has no address").into())
}

fn greet(
    chart: &mut Chart<'_>,
    shaken: Result<Client, Trouble>,
    otherwise: Outcome,
) -> Result<Client, Trouble> {
    let took = chart.lap();
    match shaken {
        Ok(client) => {
            let greeted = client.greeted();
            let tls = format!("TLS 1.3 and {} agreed with {}", greeted.group, greeted.reached);
            chart.note_timed(Finding::good(Step::Tls, tls), took)?;
            chart.note(agent_identity(greeted))?;
            Ok(client)
        }
        Err(trouble) => {
            let finding = |step| Finding::trouble(step, otherwise, &trouble);
            match &trouble {
                Trouble::Host(failure) if failure.stage == Stage::Identity => {
                    chart.note_timed(Finding::good(Step::Tls, "TLS 1.3"), took)?;
                    chart.note(finding(Step::AgentIdentity))?;
                }
                _ => chart.note_timed(finding(Step::Tls), took)?,
            }
            Err(trouble)
        }
    }
}

fn agent_identity(greeted: &Greeted) -> Finding {
    let (peer, now) = (&greeted.peer, Timestamp::now());
    match Ending::of(peer, &greeted.host.label, now) {
        Some(ending) => Finding::warning(Step::AgentIdentity, ending.what, &ending.hint),
        None => {
            let left = age(peer.not_after.duration_since(now));
            Finding::good(Step::AgentIdentity, format!("{}, certificate ends in {left}", peer.identity))
        }
    }
}

async fn ask(chart: &mut Chart<'_>, client: &mut Client) -> Result<(), Trouble> {
    // With its first answer the agent has judged this side's certificate.
    let you = client.ask(Whoami {}).await;
    let you = chart.demand(Step::Trust, unless_only_this(you))?;
    chart.note(Finding::good(
        Step::Trust,
        match &you {
            Ok(you) => format!("it takes you for {}", you.identity),
            Err(_) => "it answers you".to_owned(),
        },
    ))?;

    let compared = compare(client, EXCHANGES).await;
    let compared = chart.demand(Step::Clocks, unless_only_this(compared))?;
    chart.note(match &compared {
        Ok(compared) => clocks(client, compared),
        Err(failure) => Finding::trouble(Step::Clocks, Outcome::Warning, failure),
    })?;

    chart.note(match &you {
        Ok(you) => Finding::good(Step::Permission, may(you)),
        Err(failure) => Finding::trouble(Step::Permission, Outcome::Warning, failure),
    })?;

    let running = chart.demand(Step::Request, client.ask(Uptime {}).await)?;
    let (up, load) = (age_of_seconds(running.uptime_seconds), running.load[0]);
    chart.note(Finding::good(Step::Request, format!("uptime answers: up {up}, load {load:.2}")))
}

/// The inner result is what only this request could not do: the agent has answered, and others can still be asked.
fn unless_only_this<T>(answer: Result<T, Failure>) -> Result<Result<T, Trouble>, Failure> {
    match answer {
        Err(failure)
            if matches!(failure.kind, Kind::Refusal(Refused::NotPermitted | Refused::UnknownRequest)) =>
        {
            Ok(Err(failure.into()))
        }
        other => other.map(Ok),
    }
}

fn may(you: &You) -> String {
    match you.may.is_empty() {
        true => "you may ask nothing".to_owned(),
        false => format!("you may ask {}", you.may.join(", ")),
    }
}

/// Enough to tell a wrong clock from a slow network.
const EXCHANGES: u32 = 8;

/// From here on a difference between clocks is worth a word, in seconds.
const NOTICEABLE: f64 = 5.0;

/// From here on it is worth mending, in seconds: certificates and logs begin to disagree.
const TOLERABLE: f64 = 60.0;

fn clocks(client: &Client, compared: &Compared) -> Finding {
    let Some(OffsetFound { seconds, error_seconds }) = compared.offset else {
        return Finding::warning(
            Step::Clocks,
            "a clock was set while they were compared",
            "compare them again",
        );
    };
    let bound = milliseconds(error_seconds);
    if seconds.abs() < NOTICEABLE {
        return Finding::good(Step::Clocks, format!("they agree: {} +-{bound}", milliseconds(seconds)));
    }
    let (peer, there) = (&client.greeted().peer, compared.clock.sent);
    let direction = if seconds < 0.0 { "behind" } else { "ahead of" };
    let certificate = if there < peer.not_before {
        "; its certificate is not valid there yet"
    } else if there > peer.not_after {
        "; its certificate has ended there"
    } else {
        ""
    };
    let (name, span) = (&peer.identity.name, age_of_seconds(seconds.abs().round()));
    let found = format!("{name}'s clock is {span} {direction} this one{certificate} (+-{bound})");
    if seconds.abs() - error_seconds < TOLERABLE {
        return Finding::good(Step::Clocks, found);
    }
    let finding = Finding::warning(Step::Clocks, found, SET_A_CLOCK);
    match compared.clock.synchronised {
        Some(true) => {
            finding.because("its kernel says that its clock is synchronised, so this one may be wrong")
        }
        Some(false) => finding.because("its kernel says that its clock is not synchronised"),
        None => finding,
    }
}
