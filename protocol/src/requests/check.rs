//! `check`: a check that the machine's owner declared, by the convention of monitoring plugins.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Message;
use super::explain::Sort;
use super::run::Ended;

/// Which check, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Check {
    /// As it is declared.
    pub name: String,
    /// A value for each of its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// What the check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The verdict.
    pub state: State,
    /// What the program itself did not say, such as that it did not end in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How the program ended.
    pub ended: Ended,
    /// What it wrote to its standard output, in the frame's tail: a line for people, performance data, more lines.
    #[serde(skip)]
    pub output: Bytes,
}

/// The four states, by the exit codes of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// 0.
    Ok,
    /// 1.
    Warning,
    /// 2.
    Critical,
    /// 3, and whatever else happened.
    Unknown,
}

impl State {
    /// The state that an exit code means.
    pub fn of(code: i32) -> Option<State> {
        [State::Ok, State::Warning, State::Critical, State::Unknown].into_iter().find(|state| state.code() == code)
    }

    /// The exit code that means it.
    pub fn code(self) -> i32 {
        match self {
            State::Ok => 0,
            State::Warning => 1,
            State::Critical => 2,
            State::Unknown => 3,
        }
    }

    /// As it stands in front of a line for people.
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Warning => "WARNING",
            State::Critical => "CRITICAL",
            State::Unknown => "UNKNOWN",
        }
    }
}

impl Message for Check {
    fn permission(&self, _: &'static str) -> Cow<'static, str> {
        Cow::Owned(Sort::Check.permission(&self.name))
    }
}

impl Message for Checked {
    fn program(&self) -> Option<Ended> {
        Some(self.ended)
    }

    fn tail(&self) -> &[u8] {
        &self.output
    }

    fn attach(&mut self, tail: Bytes) {
        self.output = tail;
    }
}
