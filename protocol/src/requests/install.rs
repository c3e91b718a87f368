//! `install`: the certificate for the key that the agent made when it was asked to `renew`.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Message;

/// What the authority signed, in the frame's tail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Install {
    /// Certificates, as PEM.
    #[serde(skip)]
    pub certificates: Bytes,
}

/// It is on the disk, and shown to whoever connects from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Whose it is.
    pub name: String,
    /// Until when it holds.
    pub certificate_ends: Timestamp,
    /// The fingerprints of the authorities that are believed from now on.
    pub authorities: Vec<String>,
}

impl Message for Install {
    fn tail(&self) -> &[u8] {
        &self.certificates
    }

    fn attach(&mut self, tail: Bytes) {
        self.certificates = tail;
    }
}

impl Message for Installed {}
