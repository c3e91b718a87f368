//! `can`: whether the asker may ask something, without asking it.

use serde::{Deserialize, Serialize};

use super::Message;

/// What would be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Can {
    /// A request, such as `info`; or one thing that a request can do, such as `run:restart-nginx`.
    pub permission: String,
}

/// Yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How the agent's owner would grant it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Message for Can {}
impl Message for Verdict {}
