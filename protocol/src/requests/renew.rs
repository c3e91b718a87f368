//! `renew`: the agent makes a key, and says what the authority is to sign. `install` brings the certificate.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Message;

/// Nothing more is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Renew {}

/// What the authority is to sign, in the frame's tail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SigningRequest {
    /// PKCS #10, as DER.
    #[serde(skip)]
    pub der: Bytes,
}

impl Message for Renew {}

impl Message for SigningRequest {
    fn tail(&self) -> &[u8] {
        &self.der
    }

    fn attach(&mut self, tail: Bytes) {
        self.der = tail;
    }
}
