//! `controller operator`: more people who may ask, each under a name and with a key of their own.

mod accept;
mod add;
mod request;
mod sign;

use certs::{Identity, Name, Validity};
use clap::{Args, Subcommand};
use jiff::SignedDuration;

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::registry::Registry;
use crate::span::parse_life;

/// Let others ask, under names of their own.
#[derive(Debug, Args)]
#[command(after_help = "A key that never travels:
  controller operator request --name alice       at Alice's desk: writes alice.request
  controller operator sign alice.request         at the authority: writes alice.certificate
  controller operator accept alice.certificate   at Alice's desk

Or all in one file, which is a secret on its way:
  controller operator add alice                  at the authority: writes alice.bundle
  controller operator accept alice.bundle        at Alice's desk")]
pub struct Operator {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Make somebody's whole identity, in one file to carry there.
    Add(add::Add),
    /// Make your own key, and a request to have it signed.
    Request(request::Request),
    /// Sign what somebody requested.
    Sign(sign::Sign),
    /// Take the identity or the certificate that you were sent.
    Accept(accept::Accept),
}

impl Operator {
    /// Takes the step.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        match &self.step {
            Step::Add(add) => add.run(desk),
            Step::Request(request) => request.run(desk),
            Step::Sign(sign) => sign.run(desk),
            Step::Accept(accept) => accept.run(desk),
        }
    }
}

/// What the authority grants to an operator.
#[derive(Debug, Args)]
struct Terms {
    /// A team that the operator belongs to; may be given more than once.
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<Name>,
    /// How long it holds.
    #[arg(long = "for", value_name = "TIME", default_value = "365d", value_parser = parse_life)]
    life: SignedDuration,
}

impl Terms {
    fn teams(&self) -> Vec<Name> {
        let mut teams = self.teams.clone();
        teams.sort();
        teams.dedup();
        teams
    }

    fn validity(&self) -> Validity {
        Validity::lasting(self.life)
    }
}

/// Whoever asks under a name that somebody has already may be somebody else.
fn say_if_taken(desk: &Desk, registry: &Registry, identity: &Identity) {
    if let Some(issued) = registry.current(identity) {
        let (name, peer) = (&identity.name, &issued.peer);
        desk.remark(&format!(
            "Note: {name} already has a certificate, good until {}; it stays good beside this one.",
            peer.not_after
        ));
    }
}

/// What people compare, a line each.
fn lines(lines: &[(&str, String)]) -> String {
    lines.iter().map(|(label, value)| format!("{label:<12} {value}\n")).collect()
}

fn list(teams: &[Name]) -> String {
    if teams.is_empty() {
        return "none".to_owned();
    }
    teams.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
