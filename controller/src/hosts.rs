//! What HOST means: a machine known by name, or an address.

mod endpoint;
pub mod import;
mod inventory;
mod machine;
mod tables;

use std::fmt;
use std::net::Ipv6Addr;

use certs::Name;
use protocol::DEFAULT_PORT;

pub use self::endpoint::Endpoint;
pub use self::inventory::Inventory;
pub use self::machine::Machine;
pub(crate) use self::machine::demand_word;

/// A machine to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// What the person typed.
    pub label: String,
    /// Who must answer. `None`: whichever agent's certificate holds the address that was dialled.
    pub expected: Option<Name>,
    /// Where it may be reached; tried in this order.
    pub endpoints: Vec<Endpoint>,
}

/// What a text means: many texts mean the same.
#[derive(Debug)]
pub(crate) enum Meant {
    /// A machine that is known by this name, and at which port, where that is another than its own.
    Machine(Name, Option<u16>),
    /// An address.
    Address(Endpoint),
}

impl Meant {
    /// The machine, and its port where that is another than its own.
    pub(crate) fn machine(self) -> Option<(Name, Option<u16>)> {
        match self {
            Meant::Machine(name, port) => Some((name, port)),
            Meant::Address(_) => None,
        }
    }
}

/// As short as it can be written.
impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Meant::Machine(name, None) => write!(f, "{name}"),
            Meant::Machine(name, Some(port)) => write!(f, "{name}:{port}"),
            Meant::Address(Endpoint { address, port: DEFAULT_PORT }) => write!(f, "{address}"),
            Meant::Address(endpoint) => write!(f, "{endpoint}"),
        }
    }
}

/// Why a text means no host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmeant {
    /// There is a slip in the list of machines.
    Slip(String),
    /// It is neither a known name nor an address.
    Text(String),
}

impl Host {
    /// Whether a text can mean a host, and which. Of the list of machines nothing is read but for who is named with a port.
    ///
    /// # Errors
    /// It is neither a known name, with a port or without, nor an address.
    pub(crate) fn judge(text: &str, inventory: &Inventory) -> Result<Meant, String> {
        let (name, has_port) = match text.split_once(':') {
            // The first group of such an address may be a name as well.
            Some(_) if text.parse::<Ipv6Addr>().is_ok() => return Ok(Meant::Address(endpoint(text)?)),
            Some((name, _)) => (name, true),
            None => (text, false),
        };
        let Some(name) = name.parse::<Name>().ok().filter(|name| inventory.knows(name)) else {
            return Ok(Meant::Address(endpoint(text)?));
        };
        if !has_port {
            return Ok(Meant::Machine(name, None));
        }
        let port = endpoint(text)?.port;
        // Where its table has a slip, that is told when it is asked.
        let known = inventory.machine(&name).ok().flatten().and_then(|it| it.endpoints(name.as_str()).ok());
        let is_its_own = known.is_some_and(|known| known.iter().all(|endpoint| endpoint.port == port));
        Ok(Meant::Machine(name, (!is_its_own).then_some(port)))
    }

    /// A known name means that very machine, with a port in place of the known one if one is given; anything else is an
    /// address.
    ///
    /// # Errors
    /// It is neither, or there is a slip in what is known of it.
    pub fn resolve(text: &str, inventory: &Inventory) -> Result<Host, Unmeant> {
        let label = text.to_owned();
        let (name, port) = match Host::judge(text, inventory).map_err(Unmeant::Text)? {
            Meant::Machine(name, port) => (name, port),
            Meant::Address(endpoint) => return Ok(Host { label, expected: None, endpoints: vec![endpoint] }),
        };
        let machine = inventory.machine(&name).map_err(Unmeant::Slip)?.unwrap_or_default();
        let mut endpoints = machine.endpoints(name.as_str()).map_err(Unmeant::Slip)?;
        if let Some(port) = port {
            endpoints.iter_mut().for_each(|endpoint| endpoint.port = port);
        }
        let expected = machine.identity.and_then(|identity| identity.parse().ok()).unwrap_or(name);
        Ok(Host { label, expected: Some(expected), endpoints })
    }
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    text.parse().map_err(|fault| format!("`{}`: {fault}", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { address: host.parse().unwrap(), port }
    }

    #[test]
    fn a_known_name_means_that_machine_and_anything_else_an_address() {
        let web_1 = [endpoint("192.0.2.7", 7000), endpoint("2001:db8::7", 5669)];
        let inventory = Inventory::default().with(&"web-1".parse().unwrap(), &web_1).unwrap();
        let inventory = inventory.with(&"web-2".parse().unwrap(), &[]).unwrap();
        let known = Host::resolve("web-1", &inventory).unwrap();
        assert_eq!(known.expected, Some("web-1".parse().unwrap()));
        assert_eq!(known.endpoints, web_1);
        assert_eq!(Host::resolve("web-2", &inventory).unwrap().endpoints, [endpoint("web-2", 5669)]);
        let elsewhere = Host::resolve("web-1:9", &inventory).unwrap();
        assert_eq!(elsewhere.expected, Some("web-1".parse().unwrap()));
        assert_eq!(elsewhere.endpoints, [endpoint("192.0.2.7", 9), endpoint("2001:db8::7", 9)]);
        assert_eq!(Host::resolve("web-3", &inventory).unwrap().expected, None);
        let inventory = inventory.with(&"beef".parse().unwrap(), &[]).unwrap();
        assert_eq!(Host::resolve("beef::7", &inventory).unwrap().endpoints, [endpoint("beef::7", 5669)]);
        for bad in ["web-1:", "web-1:0", "web-1:70000", "web-1:x", "-x", "http://web-1", "web-{1"] {
            assert!(Host::judge(bad, &inventory).is_err(), "{bad} was taken");
            assert!(Host::resolve(bad, &inventory).is_err(), "{bad} was taken");
        }
    }
}
