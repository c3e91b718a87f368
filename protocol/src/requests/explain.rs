//! `explain`: what exactly `run` or `check` would start, without starting it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Message;

/// What would be asked. Whoever may ask that may ask this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explain {
    /// `run` or `check`.
    #[serde(rename = "request")]
    pub sort: Sort,
    /// As it is declared.
    pub name: String,
    /// A value for each of its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// The two sorts of what can be declared, by the request that starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sort {
    /// `[check.NAME]`.
    #[serde(rename = "check")]
    Check,
    /// `[command.NAME]`.
    #[serde(rename = "run")]
    Command,
}

impl Sort {
    /// Both.
    pub const ALL: [Sort; 2] = [Sort::Check, Sort::Command];

    /// The request that starts it.
    pub fn request(self) -> &'static str {
        match self {
            Sort::Check => "check",
            Sort::Command => "run",
        }
    }

    /// The table in which it is declared.
    pub fn table(self) -> &'static str {
        match self {
            Sort::Check => "check",
            Sort::Command => "command",
        }
    }

    /// What one must be permitted to start the one of this name.
    pub fn permission(self, name: &str) -> String {
        format!("{}:{name}", self.request())
    }
}

/// What would be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The program, and each of its arguments as one.
    pub argv: Vec<String>,
    /// The user that it runs as; absent: the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The folder that it starts in.
    pub folder: String,
    /// Its whole environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// When it is ended.
    pub timeout_seconds: f64,
    /// So much of what it writes is sent.
    pub max_output_bytes: u64,
    /// So many of it run at the same time; others wait for their turn.
    pub max_running: u64,
    /// What the program's SHA-256 must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Message for Explain {
    fn permission(&self, _: &'static str) -> Cow<'static, str> {
        Cow::Owned(self.sort.permission(&self.name))
    }
}

impl Message for Plan {}
