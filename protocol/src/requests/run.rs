//! `run`: a command that the machine's owner declared. What it writes comes as it is written, and then how it ended.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Message;
use super::explain::Sort;

/// Which command, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Run {
    /// As it is declared.
    pub name: String,
    /// A value for each of its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// Something that it wrote, or how it ended: that comes last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Piece {
    /// Where it wrote the bytes of the frame's tail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Output>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What it wrote, in the frame's tail.
    #[serde(skip)]
    pub bytes: Bytes,
}

/// Where a program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Its standard output.
    Output,
    /// Its standard error.
    Errors,
}

/// How a program ended: with a code, by a signal, or because its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether it was ended because its time was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
    /// How long it ran.
    pub took_seconds: f64,
    /// All that it wrote: for a command to both, for a check to its standard output.
    pub written_bytes: u64,
    /// How much of that was sent; the rest was more than its owner lets it say.
    pub sent_bytes: u64,
}

impl Message for Run {
    fn permission(&self, _: &'static str) -> Cow<'static, str> {
        Cow::Owned(Sort::Command.permission(&self.name))
    }
}

impl Message for Piece {
    fn program(&self) -> Option<Ended> {
        self.ended
    }

    fn tail(&self) -> &[u8] {
        &self.bytes
    }

    fn attach(&mut self, tail: Bytes) {
        self.bytes = tail;
    }
}
