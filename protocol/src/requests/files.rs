//! `files`: whether files are there, how large they are, and when they were written to last.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Message;

/// Which are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Files {
    /// Whole paths: 1 to 64 of them.
    pub paths: Vec<String>,
}

/// What is known of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    /// In the order in which they were named.
    pub files: Vec<Look>,
}

/// A look at what is at a path, behind all links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// As it was asked.
    pub path: String,
    /// Whether anything is there; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// What is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// Why it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What the file system tells without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Its length.
    pub size_bytes: u64,
    /// When its content changed last; absent where the file system names no sane time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
}

/// What can be at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A file with bytes in it.
    File,
    /// A folder.
    Folder,
    /// A device, a socket, a pipe, or what a newer agent tells apart.
    #[serde(other)]
    Other,
}

impl Message for Files {}
impl Message for Looks {}
