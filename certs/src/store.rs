//! Keys and certificates on disk: the only file that reads or writes PEM, and the only way a secret gets written.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;

use crate::identity::is_authority;
use crate::{Authority, Credentials, Error};

/// No key, certificate or bundle comes near this.
const MAX_BYTES: u64 = 256 * 1024;

/// What to do when the file is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// Writes a file that only its owner can read, whole or not at all: after a crash there is the old file or the new one.
///
/// # Errors
/// The system refused a step, or the file exists and is to be kept.
pub fn write_secret(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), Error> {
    let folder = folder_of(path);
    fs::metadata(folder).map_err(Error::io(folder, "find the folder"))?;
    let mut file = NamedTempFile::new_in(folder).map_err(Error::io(folder, "create a file"))?;
    file.write_all(bytes).map_err(Error::io(path, "write"))?;
    file.as_file().sync_all().map_err(Error::io(path, "write to the disk"))?;
    let persisted = match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    };
    persisted.map_err(|error| Error::io(path, "put in place")(error.error))?;
    sync_folder(folder)
}

/// Reads a file that holds a secret.
///
/// # Errors
/// It cannot be read, others than its owner could, or it is not text of a sane size.
pub fn read_secret(path: &Path) -> Result<String, Error> {
    let mut file = open_private(path, File::options().read(true))?;
    if file.metadata().map_err(Error::io(path, "look at"))?.len() > MAX_BYTES {
        return Err(Error::file(path, "this is far larger than any identity"));
    }
    let mut bytes = Vec::new();
    (&mut file).take(MAX_BYTES).read_to_end(&mut bytes).map_err(Error::io(path, "read"))?;
    String::from_utf8(bytes).map_err(|_| Error::file(path, "this is not text; PEM is expected, not DER"))
}

/// Reads a file that [`append_line`] wrote; one that is not there yet is empty.
///
/// # Errors
/// It cannot be read, or others than its owner could read it.
pub fn read_list(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match open_private(path, File::options().read(true)) {
        Ok(mut file) => file.read_to_end(&mut bytes).map_err(Error::io(path, "read"))?,
        Err(error) if error.is_not_found() => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}

/// Adds a line to a file that only its owner can read, and comes back when it is on the disk. After a crash there may be
/// half a line without its end.
///
/// # Errors
/// The system refused a step; then the file is as it was.
pub fn append_line(path: &Path, line: &str) -> Result<(), Error> {
    let file = open_private(path, File::options().append(true).create(true).mode(0o600))?;
    let before = file.metadata().map_err(Error::io(path, "look at"))?.len();
    let written = (&file).write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // The next line must not continue half of this one.
        file.set_len(before).map_err(Error::io(path, "take back half a line in"))?;
        return Err(Error::io(path, "write to")(error));
    }
    if before == 0 { sync_folder(folder_of(path)) } else { Ok(()) }
}

fn open_private(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    // A pipe in the place of the file must not hold anybody up.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = options.custom_flags(nonblocking).open(path).map_err(Error::io(path, "open"))?;
    let metadata = file.metadata().map_err(Error::io(path, "look at"))?;
    if !metadata.is_file() {
        return Err(Error::file(path, "this is not a file"));
    }
    check_owner(path, &metadata)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::file(path, mend("other users can read this secret", "600", path)));
    }
    Ok(file)
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|opened| opened.sync_all());
    synced.map_err(Error::io(folder, "write to the disk"))
}

/// Makes a folder that only its owner can enter, or checks that it is one.
///
/// # Errors
/// It cannot be made, or others than its owner could write into it.
pub fn private_folder(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(Error::io(path, "create the folder"))?;
    check_folder(path)
}

/// Checks that only its owner can write into a folder.
///
/// # Errors
/// Others can, or it cannot be looked at.
pub fn check_folder(path: &Path) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(Error::io(path, "look at"))?;
    if !metadata.is_dir() {
        return Err(Error::file(path, "this is not a folder"));
    }
    check_owner(path, &metadata)?;
    if metadata.mode() & 0o022 != 0 {
        return Err(Error::file(path, mend("other users can change files in this folder", "700", path)));
    }
    Ok(())
}

fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() == me || metadata.uid() == 0 {
        return Ok(());
    }
    let fault = format!("this belongs to user {}, and the program runs as user {me}", metadata.uid());
    Err(Error::file(
        path,
        format!("{fault}; run it as that user, or mend it with: chown {me} {}", path.display()),
    ))
}

fn mend(fault: &str, mode: &str, path: &Path) -> String {
    format!("{fault}; mend it with: chmod {mode} {}", path.display())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Credentials {
    /// Reads a bundle: a key, its certificate, and at least one authority's certificate, in any order.
    ///
    /// # Errors
    /// The file cannot be read or is loosely kept, or names what is missing or too much in it.
    pub fn load(path: &Path) -> Result<Credentials, Error> {
        let mut parts = Parts::load(path)?;
        let key = PrivateKeyDer::Pkcs8(parts.take_key().map_err(|fault| Error::file(path, fault))?);
        let (certificate, authorities) = parts
            .own_and_authorities()
            .ok_or_else(|| Error::file(path, "there is no identity's certificate in it"))?;
        Credentials::new(key, certificate, authorities).map_err(|fault| Error::file(path, fault.to_string()))
    }

    /// Writes the bundle, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be written, or exists and is to be kept.
    pub fn save(&self, path: &Path, existing: Existing) -> Result<(), Error> {
        let mut text = format!(
            "# Identity of {}. This file holds its private key: keep it to yourself.\n",
            self.own().identity
        );
        text += &pem("PRIVATE KEY", self.key.secret_der());
        for certificate in std::iter::once(&self.certificate).chain(&self.authorities) {
            text += &pem("CERTIFICATE", certificate);
        }
        write_secret(path, text.as_bytes(), existing)
    }
}

impl Authority {
    /// Reads the authority's key and certificate.
    ///
    /// # Errors
    /// The file cannot be read or is loosely kept, or does not hold exactly these two.
    pub fn load(path: &Path) -> Result<Authority, Error> {
        let mut parts = Parts::load(path)?;
        let key = parts.take_key().map_err(|fault| Error::file(path, fault))?;
        let [certificate] = <[_; 1]>::try_from(parts.certificates).map_err(|found| {
            Error::file(path, format!("it holds {} certificates instead of one", found.len()))
        })?;
        let nameless = |fault: Error| Error::file(path, fault.to_string());
        if !is_authority(&certificate).map_err(nameless)? {
            return Err(Error::file(path, "the certificate in it is not an authority's"));
        }
        let unusable = |error| Error::file(path, format!("the key in it cannot be used: {error}"));
        let key = KeyPair::try_from(&key).map_err(unusable)?;
        if x509_public_key(&certificate)? != key.subject_public_key_info() {
            return Err(Error::file(path, "the key does not belong to the certificate"));
        }
        Authority::new(certificate, key)
    }

    /// Writes key and certificate into one file, readable by its owner only. Never replaces one.
    ///
    /// # Errors
    /// The file cannot be written, or there is one already.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text = format!(
            "# The authority of this fleet. Whoever holds this file can be anybody: keep it to yourself.\n{}{}",
            self.key_pem(),
            pem("CERTIFICATE", self.certificate())
        );
        write_secret(path, text.as_bytes(), Existing::Keep)
    }
}

/// What an authority hands out for a key that it never sees: the certificate, and itself.
pub fn papers(certificate: &CertificateDer<'_>, authority: &CertificateDer<'_>) -> String {
    pem("CERTIFICATE", certificate) + &pem("CERTIFICATE", authority)
}

/// A certificate, and the authorities that came with it.
pub(crate) type Papers = (CertificateDer<'static>, Vec<CertificateDer<'static>>);

/// Reads what an authority handed out.
pub(crate) fn read_papers(text: &str) -> Result<Papers, Error> {
    let damaged =
        |fault: &str| Error::Certificate(format!("what the authority sent cannot be used: {fault}"));
    let parts = Parts::read(text).map_err(|fault| damaged(&fault))?;
    if !parts.keys.is_empty() {
        return Err(damaged("a private key has no place in it"));
    }
    parts.own_and_authorities().ok_or_else(|| damaged("there is no identity's certificate in it"))
}

fn x509_public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Error> {
    rustls::server::ParsedCertificate::try_from(certificate)
        .map(|parsed| parsed.subject_public_key_info().to_vec())
        .map_err(Error::Tls)
}

/// What a PEM file holds.
struct Parts {
    keys: Vec<PrivatePkcs8KeyDer<'static>>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Parts {
    fn load(path: &Path) -> Result<Parts, Error> {
        let text = read_secret(path)?;
        Parts::read(&text).map_err(|fault| Error::file(path, fault))
    }

    fn read(text: &str) -> Result<Parts, String> {
        check_outside(text)?;
        let mut keys = Vec::new();
        let mut certificates = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
            match section.map_err(|error| format!("this is not whole PEM: {error:?}"))? {
                (SectionKind::PrivateKey, der) => keys.push(PrivatePkcs8KeyDer::from(der)),
                (SectionKind::Certificate, der) => certificates.push(CertificateDer::from(der)),
                (kind, _) => return Err(format!("a {kind:?} has no place in it")),
            }
        }
        Ok(Parts { keys, certificates })
    }

    fn take_key(&mut self) -> Result<PrivatePkcs8KeyDer<'static>, String> {
        let [key] = <[_; 1]>::try_from(std::mem::take(&mut self.keys)).map_err(|keys| {
            format!("it holds {} private keys instead of one (PKCS #8, `PRIVATE KEY`)", keys.len())
        })?;
        Ok(key)
    }

    /// The one certificate that is no authority's, and those that are.
    fn own_and_authorities(mut self) -> Option<Papers> {
        let own = self.certificates.iter().position(|certificate| !is_authority(certificate).unwrap_or(true));
        own.map(|own| (self.certificates.remove(own), self.certificates))
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
