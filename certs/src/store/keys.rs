//! What stands in files with keys, requests and certificates, and who is made of it.

use std::path::Path;

use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::parts::{CERTIFICATE, KEY, LOCKED_KEY, Parts, REQUEST, pem};
use super::{Existing, write_secret};
use crate::authority::{Signer, Stage, Succession};
use crate::{Authority, Credentials, Error, Passphrase, Pending, Request, Signed};

impl Credentials {
    /// Reads a bundle: a key, its certificate, and at least one authority's certificate, in any order.
    ///
    /// # Errors
    /// The file cannot be read or is loosely kept, or names what is missing or too much in it.
    pub fn load(path: &Path) -> Result<Credentials, Error> {
        let mut parts = Parts::load(path)?;
        let key = parts.the_key().map_err(|fault| Error::file(path, fault))?;
        let signed = parts.signed().map_err(|fault| Error::file(path, fault))?;
        Credentials::new(PrivateKeyDer::Pkcs8(key), signed)
            .map_err(|fault| Error::file(path, fault.to_string()))
    }

    /// Writes the bundle, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be written, or exists and is to be kept.
    pub fn save(&self, path: &Path, existing: Existing) -> Result<(), Error> {
        let identity = &self.own().identity;
        let text = format!(
            "# Identity of {identity}. This file holds its private key: keep it to yourself.\n{}{}",
            pem(KEY, self.key.secret_der()),
            self.signed.to_text()
        );
        write_secret(path, text.as_bytes(), existing)
    }
}

impl Authority {
    /// Reads the authority's key and certificate; and those of the one before, while both are believed.
    ///
    /// # Errors
    /// The file cannot be read or is loosely kept, does not hold exactly these, or [`Error::Protected`].
    pub fn load(path: &Path) -> Result<Authority, Error> {
        let parts = Parts::load(path)?;
        match (parts.keys.is_empty(), parts.locked.is_empty()) {
            (true, false) => Err(Error::Protected(path.to_owned())),
            (false, false) => {
                Err(Error::file(path, "one key in it carries a passphrase, and another does not"))
            }
            (_, true) => Authority::assemble(path, &parts.keys, &parts),
        }
    }

    /// Reads an authority whose key carries a passphrase.
    ///
    /// # Errors
    /// Those of [`Authority::load`], and [`Error::WrongPassphrase`].
    pub fn unlock(path: &Path, passphrase: &Passphrase) -> Result<Authority, Error> {
        let parts = Parts::load(path)?;
        let keys: Option<Vec<_>> = parts.locked.iter().map(|locked| passphrase.unlock(locked)).collect();
        let keys = keys.ok_or_else(|| Error::WrongPassphrase(path.to_owned()))?;
        Authority::assemble(path, &keys, &parts)
    }

    /// Reads the certificates of those that are to be believed, and how far one has taken the place of another: whatever
    /// their keys carry, that is no secret.
    ///
    /// # Errors
    /// The file cannot be read or is loosely kept, or holds something else.
    pub fn believed_in(path: &Path) -> Result<(Vec<CertificateDer<'static>>, Stage), Error> {
        let parts = Parts::load(path)?;
        let stage = parts.stage(path)?;
        Ok((parts.authorities, stage))
    }

    /// The first key is the authority's, and the second that of the one before.
    fn assemble(path: &Path, keys: &[PrivatePkcs8KeyDer<'_>], parts: &Parts) -> Result<Authority, Error> {
        let stage = parts.stage(path)?;
        let signers =
            parts.authorities.iter().zip(keys).map(|(certificate, key)| signer(path, certificate, key));
        let mut signers = signers.collect::<Result<Vec<_>, _>>()?.into_iter();
        let due = parts.authorities.len();
        let (Some(own), before, voucher) = (signers.next(), signers.next(), parts.vouchers.first().cloned())
        else {
            return Err(wrong_keys(path, keys.len(), due));
        };
        let succession = match (stage, before, voucher) {
            (Stage::Both, Some(before), Some(voucher)) => {
                Succession::Both { voucher, before: Box::new(before) }
            }
            (Stage::Alone, None, Some(voucher)) => Succession::Alone { voucher },
            (Stage::Settled, None, None) => Succession::Settled,
            _ => return Err(wrong_keys(path, keys.len(), due)),
        };
        match keys.len() == due {
            true => Ok(Authority::new(own, succession)),
            false => Err(wrong_keys(path, keys.len(), due)),
        }
    }

    /// Writes key and certificate into one file, readable by its owner only. Never replaces one.
    ///
    /// # Errors
    /// The file cannot be written, or there is one already.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        self.write(path, None, Existing::Keep)
    }

    /// The same in place of the file that is there, with this passphrase on the keys.
    ///
    /// # Errors
    /// The file cannot be written; then the old one is still there.
    pub fn replace(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<(), Error> {
        self.write(path, passphrase, Existing::Replace)
    }

    fn write(&self, path: &Path, passphrase: Option<&Passphrase>, existing: Existing) -> Result<(), Error> {
        let of = |signer: &Signer| -> Result<String, Error> {
            let key = signer.issuer.key().serialized_der();
            let key = match passphrase {
                Some(passphrase) => pem(LOCKED_KEY, &passphrase.lock(key)?),
                None => pem(KEY, key),
            };
            Ok(key + &pem(CERTIFICATE, &signer.certificate))
        };
        let (own, succession) = self.parts();
        let (voucher, before) = match succession {
            Succession::Settled => (None, None),
            Succession::Both { voucher, before } => (Some(voucher), Some(before)),
            Succession::Alone { voucher } => (Some(voucher), None),
        };
        let mut text =
            "# The authority of this fleet. Whoever holds this file can be anybody: keep it to yourself.\n"
                .to_owned();
        text += &of(own)?;
        if let Some(voucher) = voucher {
            text += "# The word of the authority before for this one.\n";
            text += &pem(CERTIFICATE, voucher);
        }
        if let Some(before) = before {
            text += "# The authority before, which is believed too until `controller authority rotate --finish`.\n";
            text += &of(before)?;
        }
        write_secret(path, text.as_bytes(), existing)
    }
}

fn signer(
    path: &Path,
    certificate: &CertificateDer<'static>,
    key: &PrivatePkcs8KeyDer<'_>,
) -> Result<Signer, Error> {
    let unusable = |error| Error::file(path, format!("the key in it cannot be used: {error}"));
    let key = KeyPair::try_from(key).map_err(unusable)?;
    if x509_public_key(certificate)? != key.subject_public_key_info() {
        return Err(Error::file(path, "the key does not belong to the certificate"));
    }
    Signer::new(certificate.clone(), key)
}

fn x509_public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Error> {
    rustls::server::ParsedCertificate::try_from(certificate)
        .map(|parsed| parsed.subject_public_key_info().to_vec())
        .map_err(Error::Tls)
}

fn wrong_keys(path: &Path, found: usize, due: usize) -> Error {
    let due = if due == 1 { "one".to_owned() } else { due.to_string() };
    Error::file(path, format!("it holds {found} private keys instead of {due} (PKCS #8, `PRIVATE KEY`)"))
}

impl Pending {
    /// Reads a key that waits for its certificate.
    ///
    /// # Errors
    /// The file cannot be read or is loosely kept, or does not hold a key and its request.
    pub fn load(path: &Path) -> Result<Pending, Error> {
        let mut parts = Parts::load(path)?;
        let key = parts.the_key().map_err(|fault| Error::file(path, fault))?;
        Ok(Pending { key, request: parts.the_request(path)? })
    }

    /// Writes key and request, readable by their owner only. Never replaces a key.
    ///
    /// # Errors
    /// The file cannot be written, or there is one already.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text = format!(
            "# A private key that waits for its certificate: keep it to yourself.\n{}{}",
            pem(KEY, self.key.secret_pkcs8_der()),
            pem(REQUEST, self.request.der())
        );
        write_secret(path, text.as_bytes(), Existing::Keep)
    }
}

impl Request {
    /// Reads a request that somebody sent.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold exactly one request, or a key that nobody should have sent.
    pub fn load(path: &Path) -> Result<Request, Error> {
        let parts = Parts::load_public(path, "a request")?;
        if !parts.keys.is_empty() {
            return Err(Error::file(path, "there is a private key in it, which should never have been sent"));
        }
        parts.the_request(path)
    }

    /// Writes the request.
    ///
    /// # Errors
    /// The file cannot be written, or there is one already.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text =
            format!("# A request for a certificate. Nothing in it is secret.\n{}", pem(REQUEST, self.der()));
        write_secret(path, text.as_bytes(), Existing::Keep)
    }
}

impl Signed {
    /// For the way: nothing of it is secret.
    pub fn to_text(&self) -> String {
        let Signed { certificate, authorities, vouchers } = self;
        let chain = std::iter::once(certificate).chain(vouchers).chain(authorities);
        chain.map(|certificate| pem(CERTIFICATE, certificate)).collect()
    }

    /// Reads what came on the way.
    ///
    /// # Errors
    /// It is not one identity's certificate and those of its authorities.
    pub fn read(text: &str) -> Result<Signed, Error> {
        let damaged =
            |fault: &str| Error::Certificate(format!("what the authority sent cannot be used: {fault}"));
        let mut parts = Parts::read(text).map_err(|fault| damaged(&fault))?;
        if !parts.keys.is_empty() || !parts.requests.is_empty() {
            return Err(damaged("only certificates have a place in it"));
        }
        parts.signed().map_err(damaged)
    }

    /// Writes the certificate and those of the authorities.
    ///
    /// # Errors
    /// The file cannot be written, or there is one already.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text = format!(
            "# A certificate for a key that is elsewhere. Nothing in it is secret.\n{}",
            self.to_text()
        );
        write_secret(path, text.as_bytes(), Existing::Keep)
    }
}

/// What the authority hands to an operator. The file says by itself which one it is.
#[derive(Debug)]
pub enum Handed {
    /// An identity with its key.
    Bundle(Credentials),
    /// A certificate for a key that never travelled.
    Certificate(Signed),
}

impl Handed {
    /// Reads either.
    ///
    /// # Errors
    /// The file cannot be read, holds a key and is loosely kept, or is something else.
    pub fn load(path: &Path) -> Result<Handed, Error> {
        let mut parts = Parts::load_public(path, "a bundle or a certificate from the authority")?;
        if !parts.keys.is_empty() {
            return Credentials::load(path).map(Handed::Bundle);
        }
        let fault = match parts.signed() {
            Ok(signed) => return Ok(Handed::Certificate(signed)),
            Err(_) if !parts.requests.is_empty() => {
                "this is a request, and not the certificate that it asks for; send it to whoever keeps the authority"
            }
            Err(fault) => fault,
        };
        Err(Error::file(path, fault))
    }
}
