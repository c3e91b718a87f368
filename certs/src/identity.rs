//! Role and name, and how they stand in a certificate: the only parser of either.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use crate::Error;
use crate::certificate::{parse, timestamp};

const SCHEME: &str = "rollcall://";
const TEAM: &str = "rollcall://team/";

/// What an identity may be: an agent's certificate never acts as a controller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Answers.
    Agent,
    /// Asks.
    Controller,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::Agent => "agent",
            Role::Controller => "controller",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A name: 1 to 63 of `a-z`, `0-9` and `-`, with no `-` at either end. Compared whole, never in part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// What an operator is called of whom nothing better is known.
    pub fn operator() -> Name {
        Name("operator".to_owned())
    }

    /// Whether a text can be a name.
    ///
    /// # Errors
    /// It cannot: why.
    pub fn judge(text: &str) -> Result<(), Error> {
        let fault = if text.is_empty() || text.len() > 63 {
            "a name has 1 to 63 characters"
        } else if text.contains('.') {
            "a name has no dots; give the DNS name as an address of it instead"
        } else if !text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            "a name has only a-z, 0-9 and -"
        } else if text.starts_with('-') || text.ends_with('-') {
            "a name neither begins nor ends with -"
        } else {
            return Ok(());
        };
        Err(Error::Name { name: text.escape_debug().take(80).collect(), fault })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Name, Error> {
        Name::judge(text).map(|()| Name(text.to_owned()))
    }
}

/// Who somebody is. As text, and in a certificate, it is `rollcall://ROLE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// What it may be.
    pub role: Role,
    /// What it is called.
    pub name: Name,
}

impl Identity {
    /// The identity of an agent.
    pub fn agent(name: Name) -> Identity {
        Identity { role: Role::Agent, name }
    }

    /// The identity of a controller.
    pub fn controller(name: Name) -> Identity {
        Identity { role: Role::Controller, name }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.role, self.name)
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(uri: &str) -> Result<Identity, Error> {
        let unknown = || Error::Certificate(format!("`{}` is no identity", uri.escape_debug()));
        let (role, name) =
            uri.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).ok_or_else(unknown)?;
        let role = match role {
            "agent" => Role::Agent,
            "controller" => Role::Controller,
            _ => return Err(unknown()),
        };
        Ok(Identity { role, name: name.parse()? })
    }
}

/// The number of a certificate. No two of one authority are the same.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Box<[u8]>);

impl Serial {
    /// Leading zeros belong to the encoding and not to the number.
    pub(crate) fn new(bytes: &[u8]) -> Serial {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Serial(bytes[zeros..].into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Serial {
    type Err = Error;

    fn from_str(text: &str) -> Result<Serial, Error> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
        match digits {
            Some(digits) if !digits.is_empty() && digits.len() % 2 == 0 => {
                Ok(Serial::new(&digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<_>>()))
            }
            _ => Err(Error::Certificate(format!("`{}` is no serial number", text.escape_debug()))),
        }
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a team stands in a certificate.
pub(crate) fn team_uri(team: &Name) -> String {
    format!("{TEAM}{team}")
}

/// What a certificate says of its holder. Says nothing of whether to believe it: that is for the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub identity: Identity,
    /// The teams that a controller belongs to.
    pub teams: Vec<Name>,
    /// The certificate's number.
    pub serial: Serial,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

impl Peer {
    /// Reads a certificate.
    ///
    /// # Errors
    /// It is not a certificate, or does not name exactly one identity.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Peer, Error> {
        Peer::of(&parse(certificate)?)
    }

    /// The same of one that is read already.
    pub(crate) fn of(parsed: &X509Certificate<'_>) -> Result<Peer, Error> {
        let names = parsed
            .subject_alternative_name()
            .ok()
            .flatten()
            .map(|extension| extension.value.general_names.as_slice())
            .unwrap_or_default();
        let uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) if uri.starts_with(SCHEME) => Some(*uri),
            _ => None,
        });
        let (teams, identities): (Vec<_>, Vec<_>) = uris.partition(|uri| uri.starts_with(TEAM));
        let [identity] = identities[..] else {
            return Err(Error::Certificate("the certificate does not name one identity".to_owned()));
        };
        let validity = parsed.validity();
        Ok(Peer {
            identity: identity.parse()?,
            teams: teams.iter().map(|team| team[TEAM.len()..].parse()).collect::<Result<_, _>>()?,
            serial: Serial::new(parsed.raw_serial()),
            not_before: timestamp(validity.not_before.timestamp())?,
            not_after: timestamp(validity.not_after.timestamp())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_plain_or_refused() {
        for good in ["a", "web-1", "7", &"x".repeat(63)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let bad = [
            "",
            "-a",
            "a-",
            "Web",
            "web.1",
            "web 1",
            "web\n",
            "wéb",
            "a,b",
            "a/b",
            "*",
            "a\0",
            &"x".repeat(64),
        ];
        for bad in bad {
            assert!(bad.parse::<Name>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn identities_are_compared_whole() {
        for bad in [
            "rollcall://agent/",
            "rollcall://agent/web-1/",
            "rollcall://agent/web-1?x",
            "rollcall://Agent/web-1",
            "ROLLCALL://agent/web-1",
            "rollcall://root/web-1",
            "rollcall://agent",
            " rollcall://agent/web-1",
            "rollcall://agent/web-1.",
        ] {
            assert!(bad.parse::<Identity>().is_err(), "{bad:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(name in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?") {
            for role in [Role::Agent, Role::Controller] {
                let identity = Identity { role, name: name.parse()? };
                prop_assert_eq!(identity.to_string().parse::<Identity>()?, identity);
            }
        }

        #[test]
        fn no_bytes_crash_the_reader(bytes in any::<Vec<u8>>()) {
            prop_assert!(Peer::read(&CertificateDer::from(bytes)).is_err());
        }
    }
}
