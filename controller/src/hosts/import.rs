//! Lists of machines that other programs keep: what can be taken over, and what cannot and why.
//!
//! Each reader turns text into machines, and knows nothing of this home. `naming.rs` decides afterwards what they are
//! called here.

mod ansible;
mod format;
mod ini;
mod naming;
mod plain;
mod ranges;
mod ssh;
#[cfg(test)]
mod tests;
mod words;
mod yaml;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

pub use self::format::Format;
pub(crate) use self::naming::{Import, settle};
use crate::output::human::grouped;

/// A few words can mean very many machines, and a slip in a range must not eat the memory of a desk.
const MOST_MACHINES: usize = 1_000_000;

/// A DNS name with a port and some ranges. What is longer is no name.
const MOST_LETTERS: usize = 400;

/// What a file may come to when all is spelled out: every mention of a machine, with its group and what is said of it.
const MOST_SPELLED: usize = 256 << 20;

/// A machine as the file has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where it was met first, from 1.
    line: usize,
    name: String,
    /// Empty: its name is its address.
    addresses: Vec<String>,
    port: Option<u16>,
    labels: BTreeMap<String, String>,
    groups: BTreeSet<String>,
}

/// What is to be said of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remark {
    line: usize,
    what: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Catch {
    found: Vec<Found>,
    by_name: HashMap<String, usize>,
    spelled: usize,
    left_out: Vec<Remark>,
    remarks: Vec<Remark>,
    said: HashSet<&'static str>,
}

/// All machines of a file; of the variables of its hosts and groups, these become labels.
///
/// # Errors
/// It is not of this format at all, or means more than anybody has.
pub(crate) fn read(text: &str, format: Format, labels: &[String]) -> Result<Catch, String> {
    let text = text.trim_start_matches('\u{feff}');
    // Its lines would be told one by one, and one of them may be a key. Within YAML it would be indented.
    if text.lines().any(|line| line.starts_with("-----BEGIN ")) {
        return Err("this is a file of keys or certificates, and no list of machines".to_owned());
    }
    match format {
        Format::Ansible => ini::read(text, labels),
        Format::AnsibleYaml => yaml::read(text, labels),
        Format::Ssh => ssh::read(text),
        Format::Plain => plain::read(text),
    }
}

impl Catch {
    /// The machine of this name, which may have been met before.
    fn meet(&mut self, line: usize, name: &str) -> Result<&mut Found, String> {
        self.spend(line, name.len())?;
        let at = match self.by_name.entry(name.to_owned()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if self.found.len() == MOST_MACHINES => {
                let most = grouped(MOST_MACHINES);
                return Err(format!(
                    "line {line}: with this there are more than {most} machines, and no more are taken"
                ));
            }
            Entry::Vacant(new) => {
                let name = name.to_owned();
                self.found.push(Found { line, name, ..Found::default() });
                *new.insert(self.found.len() - 1)
            }
        };
        Ok(&mut self.found[at])
    }

    /// Labels that were asked for, and that no machine has.
    pub(crate) fn lacks<'a>(&self, labels: &'a [String]) -> impl Iterator<Item = &'a String> {
        let has = |label: &&String| self.found.iter().any(|found| found.labels.contains_key(*label));
        let lacks: Vec<&String> = labels.iter().filter(|label| !has(label)).collect();
        lacks.into_iter()
    }

    fn spend(&mut self, line: usize, bytes: usize) -> Result<(), String> {
        self.spelled += bytes + 1;
        match self.spelled <= MOST_SPELLED {
            true => Ok(()),
            false => {
                let most = MOST_SPELLED >> 20;
                Err(format!(
                    "line {line}: up to here, spelled out, this is more than {most} MiB; divide the file"
                ))
            }
        }
    }

    fn leave_out(&mut self, line: usize, what: impl Into<String>) {
        self.left_out.push(Remark { line, what: what.into() });
    }

    fn remark(&mut self, line: usize, what: impl Into<String>) {
        self.remarks.push(Remark { line, what: what.into() });
    }

    /// What holds for every line of its kind is said where it is met first.
    fn remark_once(&mut self, line: usize, what: &'static str) {
        if self.said.insert(what) {
            self.remark(line, what);
        }
    }
}
