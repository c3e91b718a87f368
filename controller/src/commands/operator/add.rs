//! `controller operator add`: the whole identity of another operator, in one file.

use std::path::PathBuf;

use certs::store::Existing;
use certs::{Grant, Identity, Name};
use clap::Args;

use super::{Terms, say_if_taken};
use crate::commands::init::Key;
use crate::commands::issue::file_to_carry;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::registry::{How, Registry};

/// Make somebody's whole identity, in one file to carry there.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// What the operator is to be called.
    name: Name,
    #[command(flatten)]
    terms: Terms,
    /// The kind of key.
    #[arg(long, default_value = "ed25519")]
    key: Key,
    /// The file to write, or the folder to write it into [default: NAME.bundle].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Add {
    pub(super) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let bundle = file_to_carry(self.out.as_deref(), &format!("{}.bundle", self.name))?;
        let mut registry = Registry::open(&desk.home)?;
        let identity = Identity::controller(self.name.clone());
        say_if_taken(desk, &registry, &identity);
        let teams = self.terms.teams();
        let grant =
            Grant { identity: &identity, teams: &teams, addresses: &[], validity: self.terms.validity() };
        let credentials = registry.issue(self.key.into(), &grant, How::Operator)?;
        credentials.save(&bundle, Existing::Keep)?;
        desk.remark(&format!(
            "{} holds the identity and the key of {}, good until {}. Carry it there by a way that nobody else can read,\n\
             have it taken, and remove it here:\n\
             \x20 controller operator accept {}",
            bundle.display(),
            self.name,
            credentials.own().not_after,
            bundle.file_name().unwrap_or(bundle.as_os_str()).display()
        ));
        Ok(Exit::Answered)
    }
}
