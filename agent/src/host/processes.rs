//! Which processes run, by the names of their commands.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use protocol::requests::processes::Count;
use rustix::param::clock_ticks_per_second;

use super::prober::{Answer, Prober};
use super::source::{self, HostError};

/// The kernel keeps so many bytes of a command's name.
const CUT_AT: usize = 15;
/// A read of a process's arguments waits for its memory, which can take for ever.
const LIMIT: Duration = Duration::from_secs(2);

/// Counts on a thread of its own.
pub(super) struct Crowd {
    prober: Prober<Vec<String>, Vec<Tally>>,
}

/// The processes of one name, as the kernel counts: from the boot on.
#[derive(Debug, Clone, Default, PartialEq)]
struct Tally {
    running: u64,
    zombies: u64,
    oldest_ticks: Option<u64>,
}

/// What its line says of a process.
#[derive(Debug, PartialEq)]
struct Process<'a> {
    command: &'a str,
    is_zombie: bool,
    started_ticks: u64,
}

impl Crowd {
    pub(super) fn new() -> Crowd {
        Crowd { prober: Prober::new("processes", LIMIT, Arc::new(|names: &Vec<String>| count(names))) }
    }

    /// How many there are of each name.
    pub(super) async fn count(&self, names: Vec<String>, booted: Timestamp) -> Answer<Vec<Count>> {
        let mut answers = self.prober.ask(std::slice::from_ref(&names)).answers().await;
        let tallies = answers.pop().unwrap_or_else(|| Err("was not asked".to_owned()));
        let tallies = tallies.map_err(|why| format!("the list of processes {why}"))?;
        Ok(names.into_iter().zip(tallies).map(|(name, tally)| tally.told(name, booted)).collect())
    }
}

impl Tally {
    fn add(&mut self, process: &Process<'_>) {
        if process.is_zombie {
            self.zombies += 1;
            return;
        }
        self.running += 1;
        let ticks = process.started_ticks;
        self.oldest_ticks = Some(self.oldest_ticks.map_or(ticks, |oldest| oldest.min(ticks)));
    }

    fn told(self, name: String, booted: Timestamp) -> Count {
        let after = |ticks: u64| SignedDuration::from_secs((ticks / clock_ticks_per_second()).cast_signed());
        let oldest_started = self.oldest_ticks.and_then(|ticks| booted.checked_add(after(ticks)).ok());
        Count { name, running: self.running, zombies: self.zombies, oldest_started }
    }
}

fn count(names: &[String]) -> Answer<Vec<Tally>> {
    // Whoever does not see the first process would tell that nothing runs.
    source::text("/proc/1/stat").map_err(|error| format!("is hidden from the agent: {error}"))?;
    let mut tallies = vec![Tally::default(); names.len()];
    let entries = fs::read_dir("/proc").map_err(|error| format!("cannot be read: {error}"))?;
    for folder in entries.flatten().filter(|entry| is_number(&entry.file_name())) {
        let folder = folder.path();
        match source::text(folder.join("stat")) {
            Ok(line) => add(&line, names, &mut tallies, || arguments(&folder)),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(format!("is not whole: {error}")),
        }
    }
    Ok(tallies)
}

fn is_number(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

/// It ended while it was looked at.
fn is_gone(error: &HostError) -> bool {
    error.kind() == ErrorKind::NotFound || error.is_no_process()
}

fn arguments(folder: &Path) -> String {
    source::text(folder.join("cmdline")).unwrap_or_default()
}

/// Adds a process to each name that it has. Its arguments are read only where the kernel has cut the name.
fn add(line: &str, names: &[String], tallies: &mut [Tally], arguments: impl Fn() -> String) {
    let Some(process) = Process::parse(line) else { return };
    for (name, tally) in names.iter().zip(tallies) {
        let is_it = name == process.command
            || process.may_be(name) && base_name(arguments().split('\0').next().unwrap_or_default()) == name;
        if is_it {
            tally.add(&process);
        }
    }
}

fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

impl<'a> Process<'a> {
    /// `42 (name) S ...`; the name may hold anything, also `) `.
    fn parse(line: &'a str) -> Option<Process<'a>> {
        let (head, rest) = line.rsplit_once(") ")?;
        let mut rest = rest.split(' ');
        Some(Process {
            command: head.split_once(" (")?.1,
            is_zombie: matches!(rest.next()?, "Z" | "X" | "x"),
            started_ticks: rest.nth(18)?.parse().ok()?,
        })
    }

    /// Whether this may be the rest of its name.
    fn may_be(&self, name: &str) -> bool {
        self.command.len() == CUT_AT && name.len() > CUT_AT && name.starts_with(self.command)
    }
}

#[cfg(test)]
mod tests;
