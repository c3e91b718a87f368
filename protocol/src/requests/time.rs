//! `time`: the machine's clock, with what is needed to compare it with another.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Message;

/// Nothing more is asked: the asker keeps its own two timestamps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Time {}

/// The agent's two of NTP's four timestamps, and what its kernel says of the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// When the agent began to answer.
    pub received: Timestamp,
    /// When the agent had the answer ready.
    pub sent: Timestamp,
    /// The time zone's name, such as `Europe/Berlin`, where the machine has one.
    pub zone: Option<String>,
    /// Local time minus UTC.
    pub utc_offset_seconds: i32,
    /// Whether the kernel says the clock is synchronised to a source of time; absent where it does not say.
    pub synchronised: Option<bool>,
    /// The kernel's own bound for its clock's error, where it keeps one.
    pub max_error_seconds: Option<f64>,
}

impl Message for Time {}
impl Message for Clock {}
