//! Somewhere to connect to, as people write it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use certs::Address;
use protocol::DEFAULT_PORT;
use tokio_rustls::rustls::pki_types::ServerName;

/// Somewhere to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

impl Endpoint {
    /// Reads it; the port is this one where none is named.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn with_default_port(text: &str, default: u16) -> Result<Endpoint, String> {
        if text.starts_with('-') {
            return Err("no host begins with -, and standard input is a - that stands alone".to_owned());
        }
        if text.contains(['@', '*', '?', ',', '!', '&', '^']) {
            return Err("this selects hosts, and here one is meant".to_owned());
        }
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
            None => default,
        };
        let address = address.parse().map_err(|_| match text.contains('[') {
            true => "this selects hosts, and here one is meant".to_owned(),
            false => "a host is a name, an address, NAME:PORT, ADDRESS:PORT or [IPV6]:PORT".to_owned(),
        })?;
        Ok(Endpoint { address, port })
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Endpoint, String> {
        Endpoint::with_default_port(text, DEFAULT_PORT)
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

    proptest! {
        #[test]
        fn no_text_crashes_the_reader(text in any::<String>()) {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
            }
        }
    }
}
