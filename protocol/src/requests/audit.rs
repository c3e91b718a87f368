//! `audit`: what was asked of this agent and what became of it, as the lines of its audit log.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Message;

/// Which records: the last so many, or all from a number on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// The newest so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// From this number on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// With `since`: not more than so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Some of the records that were asked for. See [`crate::chain`] for how to check them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Records {
    /// The number of the oldest record that the agent still has.
    pub oldest: u64,
    /// The number of the newest.
    pub newest: u64,
    /// The lines byte for byte, each with its newline, in the frame's tail.
    #[serde(skip)]
    pub lines: Bytes,
}

impl Message for Audit {}

impl Message for Records {
    fn tail(&self) -> &[u8] {
        &self.lines
    }

    fn attach(&mut self, tail: Bytes) {
        self.lines = tail;
    }
}
