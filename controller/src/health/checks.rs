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
    /// What reaching the host tells.
    Contact,
    /// A comparison of clocks.
    Clock,
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

/// Each check in a sentence, with its flag and its thresholds.
pub fn list() -> String {
    let row = |check: &Check| {
        let takes = match check.takes() {
            Some(takes) => format!("--{} {takes}", check.name),
            None => check.name.to_owned(),
        };
        let standard = check.scale.map_or("", |scale| scale.standard);
        let when = if check.when == When::Always { "always" } else { "on demand" };
        vec![takes, when.to_owned(), standard.to_owned(), check.sentence.to_owned()]
    };
    let rows: Vec<Vec<String>> = CHECKS.iter().map(row).collect();
    all_columns(Some(&["check", "", "thresholds", ""]), &rows, &[])
}
