//! The blocks of a PEM file, sorted by what they are.

use std::fs::File;
use std::path::Path;

use pem::{EncodeConfig, LineEnding, Pem};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};

use super::{open, read_secret, read_text};
use crate::authority::Stage;
use crate::certificate::{is_authority, is_voucher, vouches};
use crate::{Error, Request, Signed};

pub(super) const KEY: &str = "PRIVATE KEY";
pub(super) const LOCKED_KEY: &str = "ENCRYPTED PRIVATE KEY";
pub(super) const CERTIFICATE: &str = "CERTIFICATE";
pub(super) const LIST: &str = "X509 CRL";
pub(super) const REQUEST: &str = "CERTIFICATE REQUEST";

/// What a PEM file holds.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) keys: Vec<PrivatePkcs8KeyDer<'static>>,
    /// Keys that carry a passphrase.
    pub(super) locked: Vec<Vec<u8>>,
    /// Those of identities.
    own: Vec<CertificateDer<'static>>,
    /// Those by which one authority vouches for another.
    pub(super) vouchers: Vec<CertificateDer<'static>>,
    /// Those of authorities, and whatever cannot be read.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) requests: Vec<CertificateSigningRequestDer<'static>>,
}

impl Parts {
    /// Reads a file that holds a key, or should.
    pub(super) fn load(path: &Path) -> Result<Parts, Error> {
        Parts::read(&read_secret(path)?).map_err(|fault| Error::file(path, fault))
    }

    /// Reads a file that came from elsewhere, whoever may read it.
    pub(super) fn load_public(path: &Path, expected: &str) -> Result<Parts, Error> {
        let text = read_text(path, &open(path, File::options().read(true))?)?;
        Parts::read(&text).map_err(|fault| Error::file(path, format!("{fault}; {expected} is expected")))
    }

    pub(super) fn read(text: &str) -> Result<Parts, String> {
        check_outside(text)?;
        let mut parts = Parts::default();
        for section in pem::parse_many(text).map_err(|error| format!("this is not whole PEM: {error}"))? {
            match section.tag() {
                KEY => parts.keys.push(section.into_contents().into()),
                LOCKED_KEY => parts.locked.push(section.into_contents()),
                CERTIFICATE => parts.add(section.into_contents().into()),
                REQUEST => parts.requests.push(section.into_contents().into()),
                other => {
                    return Err(format!("a block of the kind `{}` has no place in it", other.escape_debug()));
                }
            }
        }
        Ok(parts)
    }

    fn add(&mut self, certificate: CertificateDer<'static>) {
        let place = match (is_authority(&certificate), is_voucher(&certificate)) {
            (Ok(false), _) => &mut self.own,
            (_, Ok(true)) => &mut self.vouchers,
            _ => &mut self.authorities,
        };
        place.push(certificate);
    }

    /// How far one authority has taken the place of another, in a file that holds nothing but authorities.
    pub(super) fn stage(&self, path: &Path) -> Result<Stage, Error> {
        for certificate in &self.authorities {
            is_authority(certificate).map_err(|fault| Error::file(path, fault.to_string()))?;
        }
        match (self.own.len(), &self.authorities[..], &self.vouchers[..]) {
            (0, [_], []) => Ok(Stage::Settled),
            (0, [new, old], [voucher]) if vouches(voucher, new, std::slice::from_ref(old)) => Ok(Stage::Both),
            (0, [_], [_]) => Ok(Stage::Alone),
            (0, [_, _], [_]) => {
                Err(Error::file(path, "the second authority in it has not vouched for the first"))
            }
            (1, [], []) => Err(Error::file(path, "the certificate in it is not an authority's")),
            (own, authorities, vouchers) => {
                let found = own + authorities.len() + vouchers.len();
                Err(Error::file(path, format!("it holds {found} certificates instead of one")))
            }
        }
    }

    pub(super) fn the_key(&mut self) -> Result<PrivatePkcs8KeyDer<'static>, String> {
        if !self.locked.is_empty() {
            return Err("its key carries a passphrase, which only an authority's can".to_owned());
        }
        let [key] = <[_; 1]>::try_from(std::mem::take(&mut self.keys)).map_err(|found| {
            format!("it holds {} private keys instead of one (PKCS #8, `PRIVATE KEY`)", found.len())
        })?;
        Ok(key)
    }

    /// The identity's certificate, and those of the authorities.
    pub(super) fn signed(&mut self) -> Result<Signed, &'static str> {
        let take = std::mem::take;
        let (mut own, vouchers, authorities) =
            (take(&mut self.own), take(&mut self.vouchers), take(&mut self.authorities));
        match own.pop() {
            None => Err("there is no identity's certificate in it"),
            Some(_) if !own.is_empty() => Err("it holds more than one identity's certificate"),
            Some(certificate) => Ok(Signed { certificate, authorities, vouchers }),
        }
    }

    pub(super) fn the_request(self, path: &Path) -> Result<Request, Error> {
        let [request] = <[_; 1]>::try_from(self.requests).map_err(|found| {
            Error::file(path, format!("it holds {} requests instead of one (`{REQUEST}`)", found.len()))
        })?;
        Request::read(request).map_err(|fault| Error::file(path, fault.to_string()))
    }
}

/// Only blocks, comments and empty lines: anything else is a damaged or a wrong file.
pub(super) fn check_outside(text: &str) -> Result<(), String> {
    let mut inside = None;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("-----BEGIN ") {
            inside = Some(number + 1);
        } else if line.starts_with("-----END ") {
            inside = None;
        } else if inside.is_none() && !line.trim().is_empty() && !line.starts_with('#') {
            return Err(format!("line {} is neither PEM nor a comment", number + 1));
        }
    }
    match inside {
        Some(line) => Err(format!("the block that begins on line {line} has no end: the file was cut short")),
        None if text.trim().is_empty() => Err("the file is empty".to_owned()),
        None => Ok(()),
    }
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), lines)
}
