//! `processes`: how many processes of a name there are, and since when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Message;

/// Which are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Processes {
    /// Names of commands, compared whole: 1 to 64 of them.
    pub names: Vec<String>,
}

/// How many there are of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In the order in which they were named.
    pub processes: Vec<Count>,
}

/// The processes of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// As it was asked.
    pub name: String,
    /// Those that live, whatever they wait for.
    pub running: u64,
    /// Those that have ended, and whose end nobody has asked for yet.
    pub zombies: u64,
    /// When the oldest of those that live was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_started: Option<Timestamp>,
}

impl Message for Processes {}
impl Message for Counts {}
