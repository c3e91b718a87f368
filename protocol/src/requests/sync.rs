//! `sync`: both sides tell each other which revocation list they have, and whoever has the newer one hands it over.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Message;

/// What the asker has. The list itself, as DER, is the tail; it may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sync {
    /// The number of the asker's list; 0 when it has none.
    pub number: u64,
    /// The list.
    #[serde(skip)]
    pub list: Bytes,
}

/// What the agent has now. Its list is the tail where it is newer than the asker's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// The number of the agent's list; 0 when it has none.
    pub number: u64,
    /// The list.
    #[serde(skip)]
    pub list: Bytes,
}

impl Message for Sync {
    fn tail(&self) -> &[u8] {
        &self.list
    }

    fn attach(&mut self, tail: Bytes) {
        self.list = tail;
    }
}

impl Message for Synced {
    fn tail(&self) -> &[u8] {
        &self.list
    }

    fn attach(&mut self, tail: Bytes) {
        self.list = tail;
    }
}
