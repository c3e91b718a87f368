//! `caps`: what this agent offers to whoever asks: requests, and what its owner declared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Message;

/// Nothing more is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Caps {}

/// All that the asker may ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Offers {
    /// The requests.
    pub requests: Vec<String>,
    /// What `check` takes, by name.
    pub checks: BTreeMap<String, Offer>,
    /// What `run` takes, by name.
    pub commands: BTreeMap<String, Offer>,
}

/// A check or a command.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Offer {
    /// What its owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Its parameters, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
}

/// A value that is to be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// What it may be, in words.
    pub takes: String,
    /// What it is when it is not given; absent: it must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

impl Message for Caps {}
impl Message for Offers {}
