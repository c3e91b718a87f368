//! `controller init`: an authority and the operator's own identity.

use std::env;

use certs::store::Existing;
use certs::{Algorithm, Authority, Grant, Identity, Name, Validity};
use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::registry::{How, Registry};
use crate::span::parse_life;

/// The kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Key {
    /// The cheapest handshake.
    Ed25519,
    /// For places that demand a NIST curve.
    P256,
}

impl From<Key> for Algorithm {
    fn from(key: Key) -> Algorithm {
        match key {
            Key::Ed25519 => Algorithm::Ed25519,
            Key::P256 => Algorithm::P256,
        }
    }
}

/// For how long an operator's identity holds when nothing is said.
const USUAL_LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);

/// Make an authority and your own identity.
#[derive(Debug, Args)]
pub struct Init {
    /// What you are called in agents' logs [default: your user name].
    #[arg(long)]
    pub name: Option<Name>,
    /// The kind of key.
    #[arg(long, default_value = "ed25519")]
    pub key: Key,
    /// How long your own identity holds.
    #[arg(long = "for", value_name = "TIME", default_value = "365d", value_parser = parse_life)]
    pub life: SignedDuration,
}

impl Init {
    /// As it is done when nothing is said.
    pub(crate) fn usual() -> Init {
        Init { name: None, key: Key::Ed25519, life: USUAL_LIFE }
    }

    /// Makes what is missing, and says what comes then.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        self.make(desk)?;
        desk.remark("Next: controller adopt HOST, with the code that `agent code` prints there");
        Ok(Exit::Answered)
    }

    /// Makes what is missing, and never replaces what is there.
    pub(crate) fn make(&self, desk: &Desk) -> Result<(), Trouble> {
        let home = &desk.home;
        home.create()?;
        let locked = home.lock()?;
        home.demand_nobody()?;
        let algorithm = self.key.into();
        // Renewing one's own identity, or going on after an init that was cut off: the authority stays.
        let which = if home.authority_file().exists() {
            "the authority that was there"
        } else {
            Authority::create(algorithm)?.save(&home.authority_file())?;
            "a new authority"
        };
        let mut registry = Registry::under(locked, home)?;
        let name = self.name.clone().unwrap_or_else(own_name);
        let identity = Identity::controller(name);
        let grant =
            Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::lasting(self.life) };
        let credentials = registry.issue(algorithm, &grant, How::Init)?;
        credentials.save(&home.identity_file(), Existing::Keep)?;
        desk.remark(&format!(
            "{} holds {which}, good until {}, and a new identity, good until {}.\n\
             You are `{}` in agents' logs and in their [allow].",
            home.path().display(),
            registry.authority().not_after(),
            credentials.own().not_after,
            identity.name
        ));
        Ok(())
    }
}

/// The user's name, as near as a name here can come to it.
fn own_name() -> Name {
    let user = env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let near: String = user.chars().map(plain).take(63).collect();
    near.trim_matches('-').parse().unwrap_or_else(|_| Name::operator())
}
