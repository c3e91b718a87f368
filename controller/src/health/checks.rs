//! The checks that are built in: a list, and a file for each theme. A check is a constant that says all of it, beside the
//! function that judges; adding one is that and a line here.

mod files;
mod machine;
mod programs;
mod storage;
mod way;

#[cfg(test)]
mod tests;

use protocol::requests::info::Section;
use serde::Serialize;

use super::facts::{Facts, Told};
use super::finding::Verdict;
use super::plan::Wanted;
use super::threshold::Scale;
use crate::output::table::all_columns;

/// A check that is built in.
#[derive(Debug)]
pub struct Check {
    /// Its name, and that of its flag.
    pub name: &'static str,
    /// What it looks at, in a sentence.
    pub sentence: &'static str,
    /// How its thresholds are written; absent where there is nothing to compare.
    pub scale: Option<Scale>,
    /// When it is done.
    pub when: When,
    /// What it has to know.
    pub need: Need,
    /// Judges, or says why that is not possible.
    pub(super) judge: fn(&Facts, &Wanted) -> Told<Verdict>,
}

/// When a check is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Where nobody says otherwise.
    Always,
    /// When somebody wants it.
    OnDemand,
    /// When somebody wants it, for each of the things that are named.
    For(Subject),
}

/// What one of the things is that a check is done for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Something with a name.
    Name,
    /// A place in the file system.
    Path,
}

/// What a check has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// What is told in any case: by reaching the host, and by a comparison of clocks, which measures the way as well.
    Contact,
    /// A section of `info`.
    Section(Section),
    /// How many processes there are of a name.
    Processes,
    /// The state of a service.
    Services,
    /// What stands at a path.
    Files,
    /// What a declared check says.
    Declared,
}

/// The check that is done whatever was asked for, of a host that is not reached.
pub(super) const REACHABLE: &str = way::REACHABLE.name;

/// All checks, in the order in which they are shown.
pub static CHECKS: [Check; 18] = [
    way::REACHABLE,
    way::LATENCY,
    storage::DISK,
    storage::INODES,
    storage::READ_ONLY,
    machine::MEMORY,
    machine::SWAP,
    machine::LOAD,
    way::CLOCK,
    way::SYNCHRONISED,
    way::CERT,
    machine::UPTIME,
    machine::USERS,
    programs::PROCESS,
    programs::SERVICE,
    files::FILE_AGE,
    storage::MOUNT,
    programs::DECLARED,
];

impl Check {
    /// The check of this name.
    pub fn named(name: &str) -> Option<&'static Check> {
        CHECKS.iter().find(|check| check.name == name)
    }

    /// What it is done for; absent where that is the machine.
    pub fn subject(&self) -> Option<Subject> {
        match self.when {
            When::For(what) => Some(what),
            When::Always | When::OnDemand => None,
        }
    }

    /// What stands behind its flag; one without thresholds and things to name has none.
    pub fn takes(&self) -> Option<&'static str> {
        match (self.subject(), self.scale.is_some()) {
            (None, false) => None,
            (None, true) => Some("WARN,CRIT"),
            (Some(Subject::Name), false) => Some("NAME"),
            (Some(Subject::Name), true) => Some("NAME[:WARN,CRIT]"),
            (Some(Subject::Path), false) => Some("PATH"),
            (Some(Subject::Path), true) => Some("PATH[:WARN,CRIT]"),
        }
    }
}

/// A check as it is listed.
#[derive(Debug, Serialize)]
pub struct Listed {
    check: &'static str,
    /// What stands behind its flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    takes: Option<&'static str>,
    /// Whether it is done where nobody says otherwise.
    always: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thresholds: Option<&'static str>,
    sentence: &'static str,
}

/// Each check in a sentence, with its flag and its thresholds.
pub fn list() -> Vec<Listed> {
    let listed = |check: &Check| Listed {
        check: check.name,
        takes: check.takes(),
        always: check.when == When::Always,
        thresholds: check.scale.map(|scale| scale.standard),
        sentence: check.sentence,
    };
    CHECKS.iter().map(listed).collect()
}

/// The same for eyes.
pub fn table() -> String {
    let row = |listed: Listed| {
        let flag = listed.takes.map(|takes| format!("--{} {takes}", listed.check));
        let flag = flag.unwrap_or_else(|| listed.check.to_owned());
        let when = if listed.always { "always" } else { "on demand" };
        [&flag, when, listed.thresholds.unwrap_or_default(), listed.sentence].map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = list().into_iter().map(row).collect();
    all_columns(Some(&["check", "", "thresholds", ""]), &rows, &[])
}
