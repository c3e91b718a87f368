//! `controller issue`: the identity of a machine, in one file to carry there.

use std::path::PathBuf;

use certs::store::Existing;
use certs::{Address, Algorithm, Grant, Identity, Name, Validity};
use clap::Args;

use crate::commands::init::Key;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::hosts::Endpoint;

/// Make the identity of a machine, in one file to carry there.
#[derive(Debug, Args)]
pub struct Issue {
    /// What the machine is to be called.
    pub name: Name,
    /// Where it can be reached: a DNS name or an IP address, with its port when it is not 5669; may be given more than
    /// once [default: the name itself].
    #[arg(long, value_name = "ADDRESS")]
    pub address: Vec<Endpoint>,
    /// The file to write [default: NAME.bundle].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How long it holds.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// The kind of key.
    #[arg(long, default_value = "ed25519")]
    pub key: Key,
}

impl Issue {
    /// Signs, writes the bundle, and remembers where the machine is.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let authority = desk.home.authority()?;
        let _locked = desk.home.lock()?;
        let inventory = desk.home.inventory()?;
        let inventory = inventory.with(&self.name, &self.address).map_err(|fault| {
            let hint = "if the machine has moved, correct hosts.toml and leave --address as it stands there";
            Trouble::Here(fault, format!("{hint}: {}", desk.home.hosts_file().display()))
        })?;
        let identity = Identity::agent(self.name.clone());
        let addresses: Vec<Address> =
            self.address.iter().map(|endpoint| endpoint.host.parse()).collect::<Result<_, _>>()?;
        let grant = Grant { identity: &identity, addresses: &addresses, validity: Validity::days(self.days) };
        let bundle = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.bundle", self.name)));
        if bundle.exists() {
            let what = format!("{} is already there, and a key is never overwritten", bundle.display());
            return Err(Trouble::Here(what, "move it away, or write elsewhere with --out".to_owned()));
        }
        desk.home.save_inventory(&inventory)?;
        authority.issue(Algorithm::from(self.key), &grant)?.save(&bundle, Existing::Keep)?;
        let file = bundle.display();
        desk.remark(&format!(
            "{file} holds the identity of {}, good for {} days. Carry it there, keep it secret, and start:\n\
             \x20 agent run --identity {file} --listen 0.0.0.0:5669\n\
             Then ask from here: controller info {}",
            self.name, self.days, self.name
        ));
        Ok(Exit::Answered)
    }
}
