//! One certificate that was signed, as it stands in the list and in JSON.

use std::fmt;

use certs::{Address, Fingerprint, Identity, Name, Peer, Serial};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a certificate was signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The first operator, with the authority itself.
    Init,
    /// A machine, carried there as a bundle.
    Issue,
    /// A machine that asked with a one-time code.
    Adopt,
    /// A machine that asked with the certificate it had.
    Renew,
    /// Another operator.
    Operator,
    /// The operator at whose desk another authority was put in the place of the first.
    Rotate,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One certificate that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Line", into = "Line")]
pub struct Issued {
    /// What stands in it.
    pub peer: Peer,
    /// Where it says that the machine can be reached.
    pub addresses: Vec<Address>,
    /// When.
    pub signed_at: Timestamp,
    /// What for.
    pub how: How,
    /// Which authority signed it; nothing where there had been one only.
    pub authority: Option<Fingerprint>,
}

/// The same as it stands in the file and in JSON. `role` and `name` are there for those who search it.
#[derive(Serialize, Deserialize)]
struct Line {
    identity: String,
    #[serde(skip_deserializing)]
    role: String,
    #[serde(skip_deserializing)]
    name: String,
    teams: Vec<String>,
    serial: String,
    not_before: Timestamp,
    not_after: Timestamp,
    signed_at: Timestamp,
    addresses: Vec<String>,
    how: How,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
}

impl From<Issued> for Line {
    fn from(issued: Issued) -> Line {
        let Issued { peer, addresses, signed_at, how, authority } = issued;
        Line {
            identity: peer.identity.to_string(),
            role: peer.identity.role.to_string(),
            name: peer.identity.name.to_string(),
            teams: peer.teams.iter().map(Name::to_string).collect(),
            serial: peer.serial.to_string(),
            not_before: peer.not_before,
            not_after: peer.not_after,
            signed_at,
            addresses: addresses.iter().map(Address::to_string).collect(),
            how,
            authority: authority.map(|authority| authority.to_string()),
        }
    }
}

impl TryFrom<Line> for Issued {
    type Error = certs::Error;

    fn try_from(line: Line) -> Result<Issued, certs::Error> {
        let peer = Peer {
            identity: line.identity.parse::<Identity>()?,
            teams: line.teams.iter().map(|team| team.parse()).collect::<Result<_, _>>()?,
            serial: line.serial.parse::<Serial>()?,
            not_before: line.not_before,
            not_after: line.not_after,
        };
        let addresses = line.addresses.iter().map(|address| address.parse()).collect::<Result<_, _>>()?;
        let authority = line.authority.map(|authority| authority.parse()).transpose()?;
        Ok(Issued { peer, addresses, signed_at: line.signed_at, how: line.how, authority })
    }
}
