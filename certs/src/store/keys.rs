//! What stands in the files: the only reader and writer of PEM.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Existing, open, read_secret, read_text, write_secret};
use crate::authority::{Signer, Stage, Succession};
use crate::certificate::{is_authority, is_voucher, vouches};
use crate::{Authority, Credentials, Error, Passphrase, Pending, Request, RevocationList, Signed};

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

/// Reads revocation lists, the newest first; none when there is no file. The newest must be of one of these authorities.
/// Beside it may be lists of one that is believed no longer, and with them goes what they say.
pub(crate) fn read_lists(
    path: &Path,
    authorities: &[CertificateDer<'_>],
) -> Result<Vec<RevocationList>, Error> {
    let text = match read_secret(path) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        text => text?,
    };
    let blocks =
        check_outside(&text).and_then(|()| pem::parse_many(&text).map_err(|error| error.to_string()));
    let blocks = blocks.map_err(|fault| Error::file(path, fault))?;
    let mut lists = Vec::new();
    for block in &blocks {
        if block.tag() != LIST {
            return Err(Error::file(path, "it holds something else than revocation lists"));
        }
        let list = RevocationList::parse(block.contents());
        lists.push(list.map_err(|fault| Error::file(path, fault.to_string()))?);
    }
    lists.sort_by_key(|list| std::cmp::Reverse(list.number()));
    if lists.first().is_some_and(|newest| !newest.is_of(authorities)) {
        return Err(Error::file(path, "the revocation list is signed by another authority"));
    }
    lists.retain(|list| list.is_of(authorities));
    Ok(lists)
}

/// Writes revocation lists in place of those that were there.
pub(crate) fn write_lists(path: &Path, lists: &[Arc<RevocationList>]) -> Result<(), Error> {
    let mut text = "# Certificates that are void. Nothing in this file is secret.\n".to_owned();
    text.extend(lists.iter().map(|list| pem(LIST, list.der())));
    write_secret(path, text.as_bytes(), Existing::Replace)
}

fn x509_public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Error> {
    rustls::server::ParsedCertificate::try_from(certificate)
        .map(|parsed| parsed.subject_public_key_info().to_vec())
        .map_err(Error::Tls)
}

const KEY: &str = "PRIVATE KEY";
const LOCKED_KEY: &str = "ENCRYPTED PRIVATE KEY";
const CERTIFICATE: &str = "CERTIFICATE";
const LIST: &str = "X509 CRL";
const REQUEST: &str = "CERTIFICATE REQUEST";

/// What a PEM file holds.
#[derive(Default)]
struct Parts {
    keys: Vec<PrivatePkcs8KeyDer<'static>>,
    /// Keys that carry a passphrase.
    locked: Vec<Vec<u8>>,
    /// Those of identities.
    own: Vec<CertificateDer<'static>>,
    /// Those by which one authority vouches for another.
    vouchers: Vec<CertificateDer<'static>>,
    /// Those of authorities, and whatever cannot be read.
    authorities: Vec<CertificateDer<'static>>,
    requests: Vec<CertificateSigningRequestDer<'static>>,
}

impl Parts {
    /// Reads a file that holds a key, or should.
    fn load(path: &Path) -> Result<Parts, Error> {
        Parts::read(&read_secret(path)?).map_err(|fault| Error::file(path, fault))
    }

    /// Reads a file that came from elsewhere, whoever may read it.
    fn load_public(path: &Path, expected: &str) -> Result<Parts, Error> {
        let text = read_text(path, &open(path, File::options().read(true))?)?;
        Parts::read(&text).map_err(|fault| Error::file(path, format!("{fault}; {expected} is expected")))
    }

    fn read(text: &str) -> Result<Parts, String> {
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
    fn stage(&self, path: &Path) -> Result<Stage, Error> {
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

    fn the_key(&mut self) -> Result<PrivatePkcs8KeyDer<'static>, String> {
        if !self.locked.is_empty() {
            return Err("its key carries a passphrase, which only an authority's can".to_owned());
        }
        let [key] = <[_; 1]>::try_from(std::mem::take(&mut self.keys)).map_err(|found| {
            format!("it holds {} private keys instead of one (PKCS #8, `PRIVATE KEY`)", found.len())
        })?;
        Ok(key)
    }

    /// The identity's certificate, and those of the authorities.
    fn signed(&mut self) -> Result<Signed, &'static str> {
        let take = std::mem::take;
        let (mut own, vouchers, authorities) =
            (take(&mut self.own), take(&mut self.vouchers), take(&mut self.authorities));
        match own.pop() {
            None => Err("there is no identity's certificate in it"),
            Some(_) if !own.is_empty() => Err("it holds more than one identity's certificate"),
            Some(certificate) => Ok(Signed { certificate, authorities, vouchers }),
        }
    }

    fn the_request(self, path: &Path) -> Result<Request, Error> {
        let [request] = <[_; 1]>::try_from(self.requests).map_err(|found| {
            Error::file(path, format!("it holds {} requests instead of one (`{REQUEST}`)", found.len()))
        })?;
        Request::read(request).map_err(|fault| Error::file(path, fault.to_string()))
    }
}

/// Only blocks, comments and empty lines: anything else is a damaged or a wrong file.
fn check_outside(text: &str) -> Result<(), String> {
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

fn pem(label: &str, der: &[u8]) -> String {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), lines)
}
