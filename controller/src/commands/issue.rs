//! `controller issue`: the identity of a machine, in one file to carry there.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use certs::store::Existing;
use certs::{Address, Algorithm, Grant, Identity, Name, Validity};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use protocol::DEFAULT_PORT;

use crate::commands::init::Key;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::hosts::Endpoint;
use crate::registry::{How, Registry};
use crate::span::parse_life;

/// Make the identity of a machine, in one file to carry there.
#[derive(Debug, Args)]
pub struct Issue {
    /// What the machine is to be called.
    pub name: Name,
    /// Where it can be reached: a DNS name or an IP address, with its port when it is not 5669; may be given more than
    /// once [default: the name itself].
    #[arg(long, value_name = "ADDRESS")]
    pub address: Vec<Endpoint>,
    /// The file to write, or the folder to write it into [default: NAME.bundle].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How long it holds.
    #[arg(long = "for", value_name = "TIME", default_value = "90d", value_parser = parse_life)]
    pub life: SignedDuration,
    /// The kind of key.
    #[arg(long, default_value = "ed25519")]
    pub key: Key,
}

impl Issue {
    /// Signs, writes the bundle, and remembers where the machine is.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let bundle = file_to_carry(self.out.as_deref(), &format!("{}.bundle", self.name))?;
        let mut registry = Registry::open(&desk.home)?;
        let hint = "if the machine has moved, correct hosts.toml and leave --address as it stands there:";
        let inventory = desk.home.inventory_with(&self.name, &self.address, hint)?;
        let identity = Identity::agent(self.name.clone());
        let addresses: Vec<Address> = self.address.iter().map(|endpoint| endpoint.address.clone()).collect();
        let grant = Grant {
            identity: &identity,
            teams: &[],
            addresses: &addresses,
            validity: Validity::lasting(self.life),
        };
        let before = registry.newest(&identity).map(|issued| issued.peer.not_after);
        desk.home.save_inventory(&inventory)?;
        let credentials = registry.issue(Algorithm::from(self.key), &grant, How::Issue)?;
        credentials.save(&bundle, Existing::Keep)?;
        if let Some(until) = before.filter(|until| *until > Timestamp::now()) {
            desk.remark(&format!(
                "{} has another certificate, good until {until:.0}. Both hold; `controller certs` shows them.",
                self.name
            ));
        }
        self.say_what_is_next(desk, &bundle, credentials.own().not_after);
        Ok(Exit::Answered)
    }

    fn say_what_is_next(&self, desk: &Desk, bundle: &Path, until: Timestamp) {
        let port = self.address.first().map_or(DEFAULT_PORT, |endpoint| endpoint.port);
        let is_ipv6 =
            self.address.iter().any(|endpoint| matches!(endpoint.address, Address::Ip(IpAddr::V6(_))));
        let listen = if is_ipv6 { format!("[::]:{port}") } else { format!("0.0.0.0:{port}") };
        let file = bundle.file_name().unwrap_or(bundle.as_os_str()).display();
        let name = &self.name;
        let looked_up = if self.address.is_empty() { "\n(It will be looked up by that name.)" } else { "" };
        desk.remark(&format!(
            "{} holds the identity of {name}, good until {until}. Carry it there, keep it secret, and start:\n\
             \x20 agent run --identity {file} --listen {listen}\n\
             Then ask from here: controller info {name}{looked_up}",
            bundle.display()
        ));
    }
}

/// The file to write, which must not be there yet: the one that was named, or the usual one in the folder that was named.
pub(crate) fn file_to_carry(named: Option<&Path>, usual: &str) -> Result<PathBuf, Trouble> {
    let file = match named {
        Some(folder) if folder.is_dir() => folder.join(usual),
        Some(file) => file.to_owned(),
        None => PathBuf::from(usual),
    };
    if file.exists() {
        let what = format!("{} is already there, and is never overwritten", file.display());
        return Err(Trouble::Here(what, "move it away, or write elsewhere with --out".to_owned()));
    }
    Ok(file)
}
