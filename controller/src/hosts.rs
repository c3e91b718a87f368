//! What HOST means: a machine known by name, or an address.

mod directory;
mod endpoint;
pub mod import;
mod inventory;
mod machine;
mod tables;

use certs::Name;

pub(crate) use self::directory::Directory;
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

impl Host {
    /// A known name means that very machine, with a port in place of the known one if one is given; anything else is an
    /// address.
    ///
    /// # Errors
    /// It is neither, or there is a slip in what is known of it.
    pub fn resolve(text: &str, inventory: &Inventory) -> Result<Host, String> {
        let label = text.to_owned();
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, port.parse::<u16>().ok()),
            None => (text, None),
        };
        let known = name.parse::<Name>().ok();
        let known = match known {
            Some(name) => inventory.machine(&name)?.map(|machine| (name, machine)),
            None => None,
        };
        let Some((name, machine)) = known else {
            let endpoint = text.parse().map_err(|fault| format!("`{}`: {fault}", text.escape_debug()))?;
            return Ok(Host { label, expected: None, endpoints: vec![endpoint] });
        };
        let mut endpoints = machine.endpoints(&name)?;
        if let Some(port) = port {
            endpoints.iter_mut().for_each(|endpoint| endpoint.port = port);
        }
        let expected = machine.identity.and_then(|identity| identity.parse().ok()).unwrap_or(name);
        Ok(Host { label, expected: Some(expected), endpoints })
    }
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
    }
}
