//! Reading the kernel's text files, and what it means when one cannot be read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No kernel file is larger; a name that leads somewhere else must not fill the memory.
const MOST: u64 = 16 << 20;

/// A source of facts that did not tell them.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what}: {cause}")]
pub(crate) struct HostError {
    what: String,
    cause: io::Error,
}

impl HostError {
    pub(super) fn new(what: impl Into<String>, cause: impl Into<io::Error>) -> HostError {
        HostError { what: what.into(), cause: cause.into() }
    }

    pub(super) fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }

    /// What the kernel says when a process ends while its file is read.
    pub(super) fn is_no_process(&self) -> bool {
        self.cause.raw_os_error() == Some(libc::ESRCH)
    }

    /// For a text that is not what the kernel is known to write there.
    pub(super) fn odd(what: &str) -> HostError {
        HostError::new(what, io::Error::new(io::ErrorKind::InvalidData, "it is not in the form expected"))
    }
}

/// Reads a file in as few system calls as it takes: `/proc` tells no sizes, so asking for them would be wasted.
/// One name that is not UTF-8 must not cost the whole text, so it is replaced.
pub(super) fn text(path: impl AsRef<Path>) -> Result<String, HostError> {
    let bytes = bytes(path)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned()))
}

/// As [`text`], for files that are none.
pub(super) fn bytes(path: impl AsRef<Path>) -> Result<Vec<u8>, HostError> {
    let path = path.as_ref();
    let mut bytes = Vec::with_capacity(8192);
    File::open(path)
        .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
        .map_err(|cause| HostError::new(path.display().to_string(), cause))?;
    Ok(bytes)
}
