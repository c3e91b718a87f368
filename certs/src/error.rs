//! What can be wrong with an identity, an authority, or a file that holds one.

use std::io;
use std::path::{Path, PathBuf};

/// A fault in words that a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system said no.
    #[error("{path}: cannot {doing}: {source}", path = .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there and is not what it should be.
    #[error("{path}: {fault}", path = .path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The authority's key carries a passphrase, and none was given.
    #[error("{path}: the key in it carries a passphrase", path = .0.display())]
    Protected(PathBuf),
    /// The authority's key carries another passphrase.
    #[error("{path}: this is not the passphrase that its key carries, or the file is damaged", path = .0.display())]
    WrongPassphrase(PathBuf),
    /// A name that no identity can have.
    #[error("`{name}` cannot be a name: {fault}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// An address that no certificate can hold.
    #[error("`{0}` is neither an IP address nor a DNS name")]
    Address(String),
    /// A certificate that says nothing usable about who it belongs to.
    #[error("{0}")]
    Certificate(String),
    /// A code that was mistyped.
    #[error("this is no code: {0}")]
    Code(String),
    /// Making or signing something failed.
    #[error("cannot {doing}: {source}")]
    Signing {
        /// What was tried.
        doing: &'static str,
        /// What the library said.
        source: rcgen::Error,
    },
    /// The TLS library refused the credentials.
    #[error("these credentials cannot be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Error {
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { path: path.to_owned(), doing, source }
    }

    pub(crate) fn file(path: &Path, fault: impl Into<String>) -> Error {
        Error::File { path: path.to_owned(), fault: fault.into() }
    }

    pub(crate) fn signing(doing: &'static str) -> impl FnOnce(rcgen::Error) -> Error {
        move |source| Error::Signing { doing, source }
    }

    /// Whether a file was looked for and is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
