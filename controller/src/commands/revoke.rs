//! `controller revoke`: makes the certificates of a name void, here at once and everywhere as the list is carried.

use certs::{Name, Role, Serial};
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::registry::Registry;

/// Make the certificates of a name void.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The machine or the operator.
    pub name: Name,
    /// Which of the two, where both have that name.
    #[arg(long)]
    pub role: Option<Kind>,
}

/// Whose certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A machine's.
    Agent,
    /// An operator's.
    Controller,
}

impl From<Kind> for Role {
    fn from(kind: Kind) -> Role {
        match kind {
            Kind::Agent => Role::Agent,
            Kind::Controller => Role::Controller,
        }
    }
}

impl Revoke {
    /// Signs a new list.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let name = &self.name;
        let registry = Registry::open(&desk.home)?;
        let known = desk.home.revocations(&registry.authority().believed())?;
        let role = self.role.map(Role::from);
        let meant = |found: Role| role.is_none_or(|role| role == found);
        let named: Vec<_> = registry
            .certificates()
            .iter()
            .map(|issued| &issued.peer)
            .filter(|peer| peer.identity.name == *name && meant(peer.identity.role))
            .collect();
        let now = Timestamp::now();
        let live: Vec<_> =
            named.iter().filter(|peer| peer.not_after > now && !known.contains(&peer.serial)).collect();
        let here = |what: String, hint: &str| Err(Trouble::Here(what, hint.to_owned()));
        match &live[..] {
            [] if named.is_empty() => here(
                format!("nothing was ever signed here for {name}"),
                "see what was with `controller certs`",
            ),
            [] => here(
                format!("every certificate of {name} has ended, or is revoked already"),
                "see them with `controller certs`",
            ),
            [first, rest @ ..] if rest.iter().any(|peer| peer.identity.role != first.identity.role) => here(
                format!("{name} is a machine, and an operator too"),
                "say which with --role agent or --role controller",
            ),
            [first, ..] if desk.home.credentials().is_ok_and(|own| own.own().identity == first.identity) => {
                here(
                    format!("{name} is your own identity: no agent would take you any more"),
                    "have somebody else who keeps the authority do it, or make yourself another identity first",
                )
            }
            live => {
                let serials: Vec<Serial> = live.iter().map(|peer| peer.serial.clone()).collect();
                registry.revoke(&known, &serials)?;
                desk.remark(&self.what_is_next(live[0].identity.role, serials.len()));
                Ok(Exit::Answered)
            }
        }
    }

    fn what_is_next(&self, role: Role, count: usize) -> String {
        let name = &self.name;
        let gone = match role {
            Role::Agent => {
                format!("\nIf the machine is gone for good, remove [hosts.{name}] from hosts.toml.")
            }
            Role::Controller => String::new(),
        };
        format!(
            "Revoked: {name}, certificates: {count}. Machines learn of it when somebody who knows it connects; now, for \
             all:\n  controller sync --all{gone}"
        )
    }
}
