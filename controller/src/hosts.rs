//! What HOST means: a machine known by name, or an address.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use certs::{Address, Name};
use protocol::DEFAULT_PORT;
use serde::Deserialize;
use tokio_rustls::rustls::pki_types::ServerName;

/// Somewhere to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint {
    /// DNS name or IP address.
    pub address: Address,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// How TLS calls it.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        match &self.address {
            Address::Ip(ip) => ServerName::from(*ip),
            Address::Dns(name) => ServerName::DnsName(name.clone()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Address::Ip(ip) if ip.is_ipv6() => write!(f, "[{ip}]:{}", self.port),
            _ => write!(f, "{}:{}", self.address, self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        if text.contains("://") {
            return Err("a host is a name or an address, and no URL".to_owned());
        }
        let (address, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, "")) => (address, None),
            Some((address, port)) => {
                (address, Some(port.strip_prefix(':').ok_or("after ] comes : and a port")?))
            }
            None if text.parse::<Ipv6Addr>().is_ok() => (text, None),
            None => match text.split_once(':') {
                Some((address, port)) => (address, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => {
                port.parse().ok().filter(|port| *port > 0).ok_or("a port is a number from 1 to 65535")?
            }
            None => DEFAULT_PORT,
        };
        let address = address.parse();
        let address = address
            .map_err(|_| "a host is a name, an address, NAME:PORT, ADDRESS:PORT or [IPV6]:PORT".to_owned())?;
        Ok(Endpoint { address, port })
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Endpoint, String> {
        text.parse().map_err(|fault| format!("`{}`: {fault}", text.escape_debug()))
    }
}

/// The machines that are known by name, as `hosts.toml` keeps them. People write in that file too: what they wrote stays.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inventory {
    text: String,
    hosts: BTreeMap<Name, Vec<Endpoint>>,
}

const FIRST_LINE: &str =
    "# The machines this controller knows by name. `controller adopt` and `issue` add to it.\n";

impl Inventory {
    /// Reads `hosts.toml`; what it does not know in there is an error, for a slip would look like a machine that is gone.
    pub(crate) fn parse(text: String) -> Result<Inventory, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            hosts: BTreeMap<String, Known>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Known {
            #[serde(default)]
            addresses: Vec<Endpoint>,
        }
        let file: File = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let message = error.message().lines().next().unwrap_or_default();
            format!("line {}: {message}", line.unwrap_or(1))
        })?;
        let mut hosts = BTreeMap::new();
        for (name, known) in file.hosts {
            let name = name.parse::<Name>().map_err(|error| format!("hosts.{name}: {error}"))?;
            hosts.insert(name, known.addresses);
        }
        Ok(Inventory { text, hosts })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// All of them.
    pub(crate) fn names(&self) -> Vec<String> {
        self.hosts.keys().map(Name::to_string).collect()
    }

    /// Whether a machine is known by this name.
    pub(crate) fn knows(&self, name: &Name) -> bool {
        self.hosts.contains_key(name)
    }

    /// The same machines and one more.
    ///
    /// # Errors
    /// The machine is known at other addresses, or the file is written in a way that nothing can be added to.
    pub fn with(&self, name: &Name, addresses: &[Endpoint]) -> Result<Inventory, String> {
        let addresses_as_text =
            |addresses: &[Endpoint]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        if let Some(known) = self.hosts.get(name) {
            if addresses.is_empty() || addresses == known {
                return Ok(self.clone());
            }
            return Err(format!("{name} is already known, at {}", addresses_as_text(known).join(", ")));
        }
        let before = if self.text.is_empty() { FIRST_LINE } else { self.text.as_str() };
        let newline = if before.ends_with('\n') { "" } else { "\n" };
        let addresses = addresses_as_text(addresses);
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
    /// A known name means that very machine, with a port in place of the known one if one is given; anything else is an
    /// address.
    ///
    /// # Errors
    /// It is neither.
    pub fn resolve(text: &str, inventory: &Inventory) -> Result<Host, String> {
        let label = text.to_owned();
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, port.parse::<u16>().ok()),
            None => (text, None),
        };
        let known = name.parse::<Name>().ok().and_then(|name| inventory.hosts.get_key_value(&name));
        let Some((name, addresses)) = known else {
            return Ok(Host { label, expected: None, endpoints: vec![Endpoint::try_from(text.to_owned())?] });
        };
        let mut endpoints = match addresses.is_empty() {
            true => vec![Endpoint::try_from(name.to_string())?],
            false => addresses.clone(),
        };
        if let Some(port) = port {
            endpoints.iter_mut().for_each(|endpoint| endpoint.port = port);
        }
        Ok(Host { label, expected: Some(name.clone()), endpoints })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { address: host.parse().unwrap(), port }
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
        let elsewhere = Host::resolve("web-1:9", &inventory).unwrap();
        assert_eq!(elsewhere.expected, Some("web-1".parse().unwrap()));
        assert_eq!(elsewhere.endpoints, [endpoint("192.0.2.7", 9), endpoint("2001:db8::7", 9)]);
        assert_eq!(Host::resolve("web-3", &inventory).unwrap().expected, None);
    }

    #[test]
    fn a_slip_in_the_file_is_named_by_line() {
        for (text, fault) in [
            ("[hosts\n", "line 1: unclosed table, expected `]`"),
            ("[hosts.web-1]\naddress = []\n", "line 2: unknown field `address`, expected `addresses`"),
            ("\n[web-1]\n", "line 2: unknown field `web-1`, expected `hosts`"),
            (
                "[hosts.web-1]\naddresses = [\"web-1:0\"]",
                "line 2: `web-1:0`: a port is a number from 1 to 65535",
            ),
            ("[hosts.Web-1]", "hosts.Web-1: `Web-1` cannot be a name: a name has only a-z, 0-9 and -"),
        ] {
            assert_eq!(Inventory::parse(text.to_owned()).unwrap_err(), fault);
        }
    }

    #[test]
    fn what_people_wrote_in_the_file_stays() {
        let text = "# mine\n[hosts.db-1] # the old one\naddresses = [\"192.0.2.1\"]";
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
