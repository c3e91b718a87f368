//! All that an authority lets a certificate say.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::DnsName;

use crate::{Error, Identity, Name};

/// Clocks differ. A certificate is valid from this long before it was signed.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// Where an agent can be reached, as it stands in its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// By name.
    Dns(DnsName<'static>),
    /// By number.
    Ip(IpAddr),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address, Error> {
        if let Ok(ip) = text.parse() {
            return Ok(Address::Ip(ip));
        }
        DnsName::try_from(text.to_owned()).map(Address::Dns).map_err(|_| Error::Address(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Dns(name) => f.write_str(name.as_ref()),
            Address::Ip(ip) => ip.fmt(f),
        }
    }
}

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// So many days from now, and a little into the past.
    pub fn days(days: u32) -> Validity {
        Validity::lasting(SignedDuration::from_hours(24 * i64::from(days)))
    }

    /// For this long from now, and a little into the past.
    pub fn lasting(life: SignedDuration) -> Validity {
        let now = Timestamp::now();
        Validity {
            not_before: now.saturating_sub(BACKDATED).unwrap_or(now),
            not_after: now.saturating_add(life).unwrap_or(now),
        }
    }
}

/// All that the authority lets a certificate say.
#[derive(Debug)]
pub struct Grant<'a> {
    /// Whose it is. Decides the extended key usage.
    pub identity: &'a Identity,
    /// The teams that a controller belongs to; empty for agents.
    pub teams: &'a [Name],
    /// Where it can be reached; empty for controllers.
    pub addresses: &'a [Address],
    /// How long it holds.
    pub validity: Validity,
}
