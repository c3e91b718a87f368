//! `echo`: the same bytes back. It proves the whole way there and back, and measures it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Message;

/// The most bytes one echo carries: with its head it always fits into a frame of the default size.
pub const MAX_PAYLOAD: usize = 60 * 1024;

/// Any bytes, in the frame's tail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Echo {
    /// What to send back.
    #[serde(skip)]
    pub payload: Bytes,
}

/// The same bytes, in the frame's tail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Echoed {
    /// What came.
    #[serde(skip)]
    pub payload: Bytes,
}

impl Message for Echo {
    fn tail(&self) -> &[u8] {
        &self.payload
    }

    fn attach(&mut self, tail: Bytes) {
        self.payload = tail;
    }
}

impl Message for Echoed {
    fn tail(&self) -> &[u8] {
        &self.payload
    }

    fn attach(&mut self, tail: Bytes) {
        self.payload = tail;
    }
}
