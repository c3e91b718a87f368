//! `watch`: the same facts as `info`, again and again, until the asker cancels.

use serde::{Deserialize, Serialize};

use super::Message;
pub use super::info::Machine;
use super::info::Section;

/// The shortest time between two answers.
pub const MIN_EVERY_SECONDS: f64 = 0.2;
/// The longest time between two answers.
pub const MAX_EVERY_SECONDS: f64 = 3600.0;

/// What to look at, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Seconds between two answers, from 0.2 to 3600.
    pub every_seconds: f64,
    /// The answers to send before ending; absent: until cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What to gather; empty: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
}

impl Message for Watch {}
