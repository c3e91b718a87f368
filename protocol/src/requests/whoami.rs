//! `whoami`: who the agent believes the asker to be, and what it may ask.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Message;

/// Nothing more is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Whoami {}

/// What the asker's certificate says, as the agent reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct You {
    /// The role and the name, such as `rollcall://controller/alice`.
    pub identity: String,
    /// The teams.
    pub teams: Vec<String>,
    /// The certificate's number, in hexadecimal.
    pub serial: String,
    /// Until when the certificate holds.
    pub certificate_ends: Timestamp,
    /// Every permission, sorted.
    pub may: Vec<String>,
}

impl Message for Whoami {}
impl Message for You {}
