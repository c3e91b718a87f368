//! What HOST means: a machine known by name, or an address.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use certs::Name;
use protocol::DEFAULT_PORT;
use serde::Deserialize;

use crate::error::Trouble;

/// Somewhere to connect to: a DNS name or an IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// DNS name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or("after ] comes : and a port")?)),
            None if text.parse::<Ipv6Addr>().is_ok() => (text, None),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => {
                port.parse().ok().filter(|port| *port > 0).ok_or("a port is a number from 1 to 65535")?
            }
            None => DEFAULT_PORT,
        };
        let address = host.parse::<certs::Address>();
        address
            .map_err(|_| "a host is a name, an address, NAME:PORT, ADDRESS:PORT or [IPV6]:PORT".to_owned())?;
        Ok(Endpoint { host: host.to_owned(), port })
    }
}

/// The machines that are known by name, as `hosts.toml` keeps them. People write in that file too: what they wrote stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    text: String,
    hosts: BTreeMap<String, Known>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct Known {
    #[serde(default)]
    addresses: Vec<String>,
}

const FIRST_LINE: &str = "# The machines this controller knows by name. `controller issue` adds to it.\n";

impl Inventory {
    /// Reads `hosts.toml`.
    pub(crate) fn parse(text: String) -> Result<Inventory, String> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            hosts: BTreeMap<String, Known>,
        }
        match toml::from_str::<File>(&text) {
            Ok(File { hosts }) => Ok(Inventory { text, hosts }),
            Err(error) => Err(error.to_string().trim_end().to_owned()),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same machines and one more.
    ///
    /// # Errors
    /// The machine is known at other addresses, or the file is written in a way that nothing can be added to.
    pub fn with(&self, name: &Name, addresses: &[Endpoint]) -> Result<Inventory, String> {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        if let Some(known) = self.hosts.get(name.as_str()) {
            if addresses.is_empty() || addresses == known.addresses {
                return Inventory::parse(self.text.clone());
            }
            return Err(format!("{name} is already known, at {}", known.addresses.join(", ")));
        }
        let before = if self.text.is_empty() { FIRST_LINE } else { self.text.as_str() };
        let newline = if before.ends_with('\n') { "" } else { "\n" };
        Inventory::parse(format!("{before}{newline}\n[hosts.{name}]\naddresses = {addresses:?}\n"))
    }
}

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
    /// A known name means that very machine; anything else is an address.
    ///
    /// # Errors
    /// It is neither, or what is known of it is damaged.
    pub fn resolve(text: &str, inventory: &Inventory) -> Result<Host, Trouble> {
        let usage = |what: &str, fault: String| {
            Trouble::Here(format!("`{}`: {fault}", what.escape_debug()), String::new())
        };
        let endpoint = |text: &str| text.parse::<Endpoint>().map_err(|fault| usage(text, fault));
        if let Some((name, known)) = inventory.hosts.get_key_value(text) {
            let addresses =
                if known.addresses.is_empty() { std::slice::from_ref(name) } else { &known.addresses };
            return Ok(Host {
                label: text.to_owned(),
                expected: Some(name.parse()?),
                endpoints: addresses.iter().map(|address| endpoint(address)).collect::<Result<_, _>>()?,
            });
        }
        Ok(Host { label: text.to_owned(), expected: None, endpoints: vec![endpoint(text)?] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
    }

    #[test]
    fn every_way_to_write_an_endpoint() {
        for (text, expected) in [
            ("web-1", endpoint("web-1", 5669)),
            ("web-1.example.com:7000", endpoint("web-1.example.com", 7000)),
            ("192.0.2.7", endpoint("192.0.2.7", 5669)),
            ("192.0.2.7:1", endpoint("192.0.2.7", 1)),
            ("2001:db8::7", endpoint("2001:db8::7", 5669)),
            ("[2001:db8::7]", endpoint("2001:db8::7", 5669)),
            ("[2001:db8::7]:7000", endpoint("2001:db8::7", 7000)),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap(), expected);
        }
        for text in [
            "",
            "a b",
            "web-1:",
            "web-1:0",
            "web-1:65536",
            "web-1:x",
            "[2001:db8::7",
            "[::1]7",
            "a:b:c",
            "we_b!",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?} was taken");
        }
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
        assert_eq!(Host::resolve("web-3", &inventory).unwrap().expected, None);
    }

    #[test]
    fn what_people_wrote_in_the_file_stays() {
        let text = "# mine\n[hosts.db-1] # the old one\naddresses = [\"192.0.2.1\"]\nlabels = 5";
        let inventory = Inventory::parse(text.to_owned()).unwrap();
        let web_1 = "web-1".parse().unwrap();
        let more = inventory.with(&web_1, &[endpoint("192.0.2.7", 5669)]).unwrap();
        assert!(more.text().starts_with(text));
        assert_eq!(more.with(&web_1, &[endpoint("192.0.2.7", 5669)]).unwrap(), more);
        assert_eq!(more.with(&web_1, &[]).unwrap(), more);
        let moved = more.with(&web_1, &[endpoint("192.0.2.8", 5669)]).unwrap_err();
        assert_eq!(moved, "web-1 is already known, at 192.0.2.7:5669");
        let inline = Inventory::parse("hosts = {}".to_owned()).unwrap();
        assert!(inline.with(&web_1, &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_text_crashes_the_reader(text in any::<String>()) {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
            }
        }
    }
}
