//! `uptime`: how long the machine has been up, and how busy it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Message;

/// Nothing more is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Uptime {}

/// What the classic command says, as numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Since boot, including time asleep.
    pub uptime_seconds: f64,
    /// When the machine booted, by its clock.
    pub booted: Timestamp,
    /// The machine's clock now.
    pub now: Timestamp,
    /// Local time minus UTC, to show `now` as people there see it.
    pub utc_offset_seconds: i32,
    /// Runnable and waiting tasks, averaged over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Sessions of users logged in, where the machine keeps a list of them.
    pub users: Option<usize>,
}

impl Message for Uptime {}
impl Message for Running {}
