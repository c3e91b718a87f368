//! What became of all: nobody is lost silently.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;

use crate::desk::Desk;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output::human::{cut, grouped, harmless, plain};
use crate::selection::fold;

/// More reasons than this are told in a line each, without what to do.
const MAX_REASONS: usize = 10;

/// And more than these in JSON only.
const MAX_SHORT: usize = 100;

/// A folded list that is longer is cut where many stand in one line.
const MAX_IN_LINE: usize = 40;

/// The same before a reason, which has a line for itself.
const MAX_BEFORE_REASON: usize = 120;

/// What became of each, by its place in the list.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(super) good: Vec<usize>,
    /// By reason, in the order in which they were met. What befell one alone is told with its address.
    failures: Vec<(Failure, Vec<usize>)>,
    by_reason: HashMap<(String, String), usize>,
    /// Who answered otherwise than anybody hopes, by how that is called.
    odd: BTreeMap<String, Vec<usize>>,
    /// How many those are: reasons may be as many as hosts.
    failed: usize,
    /// Those who were being asked when it was ended, and those whose turn had not come.
    pub(super) pending: Vec<usize>,
    pub(super) seconds: f64,
}

/// The same for scripts.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    hosts: usize,
    answered: usize,
    failed: usize,
    pending: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    pending_hosts: String,
    took_seconds: f64,
    failures: Vec<Told>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    otherwise: Vec<Otherwise>,
}

/// Those who answered, and not as anybody hopes.
#[derive(Debug, Serialize)]
struct Otherwise {
    what: String,
    count: usize,
    hosts: String,
}

#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    failure: Failure,
    count: usize,
    hosts: String,
}

impl Tally {
    pub(super) fn take(&mut self, index: usize, odd: Option<String>) {
        match odd {
            Some(odd) => {
                self.odd.entry(odd).or_default().push(index);
                self.failed += 1;
            }
            None => self.good.push(index),
        }
    }

    pub(super) fn fail(&mut self, index: usize, failure: &Failure) {
        self.failed += 1;
        let reason = failure.of_many();
        let key =
            (format!("{:?}", reason.kind), format!("{}\n{}\n{}", reason.message, reason.why, reason.hint));
        match self.by_reason.entry(key) {
            Entry::Occupied(known) => {
                let (told, hosts) = &mut self.failures[*known.get()];
                *told = reason;
                hosts.push(index);
            }
            Entry::Vacant(new) => {
                new.insert(self.failures.len());
                self.failures.push((failure.clone(), vec![index]));
            }
        }
    }

    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn done(&self) -> usize {
        self.good.len() + self.failed()
    }

    /// It is over: who was not heard of is still waited for, or was not asked.
    pub(super) fn end(&mut self, all: usize, took: Duration) {
        let mut open = vec![true; all];
        for index in self.good.iter().copied().chain(self.bad()) {
            open[index] = false;
        }
        self.pending = (0..all).filter(|index| open[*index]).collect();
        self.seconds = took.as_secs_f64();
    }

    /// Those that did not do what they were asked, and those who were not asked.
    pub(super) fn bad(&self) -> impl Iterator<Item = usize> {
        let failed = self.failures.iter().map(|(_, hosts)| hosts).chain(self.odd.values());
        failed.flatten().chain(&self.pending).copied()
    }

    /// Those with whom nobody could speak.
    pub(super) fn unreached(&self) -> impl Iterator<Item = usize> {
        let before_trust = self.failures.iter().filter(|(failure, _)| failure.stage.is_before_trust());
        before_trust.flat_map(|(_, hosts)| hosts).copied()
    }

    /// How a run over many ends.
    pub(super) fn exit(&self) -> Exit {
        let all_before_trust = self.failures.iter().all(|(failure, _)| failure.stage.is_before_trust());
        match () {
            () if self.bad().next().is_none() => Exit::Answered,
            () if self.odd.is_empty()
                && self.good.is_empty()
                && self.pending.is_empty()
                && all_before_trust =>
            {
                Exit::NotReached
            }
            () => Exit::Refused,
        }
    }

    pub(super) fn summary(&self, labels: &[String]) -> Summary {
        let told = |(failure, hosts): &(Failure, Vec<usize>)| Told {
            failure: failure.clone(),
            count: hosts.len(),
            hosts: folded(hosts, labels),
        };
        let otherwise = |(what, hosts): (&String, &Vec<usize>)| Otherwise {
            what: what.clone(),
            count: hosts.len(),
            hosts: folded(hosts, labels),
        };
        Summary {
            hosts: self.done() + self.pending.len(),
            answered: self.good.len(),
            failed: self.failed(),
            pending: self.pending.len(),
            pending_hosts: folded(&self.pending, labels),
            took_seconds: self.seconds,
            failures: self.failures.iter().map(told).collect(),
            otherwise: self.odd.iter().map(otherwise).collect(),
        }
    }

    /// Each reason once, and one line in which everybody is counted.
    pub(super) fn tell(&self, desk: &Desk, labels: &[String], done: &str) {
        let mut by_count: Vec<_> = self.failures.iter().collect();
        by_count.sort_by_key(|(_, hosts)| std::cmp::Reverse(hosts.len()));
        for (failure, hosts) in by_count.iter().take(MAX_REASONS) {
            // What befell them stands behind their names, and must be seen.
            let whose = cut(&folded(hosts, labels), MAX_BEFORE_REASON);
            let whose = match hosts.len() {
                1 => whose,
                many => format!("{whose} ({})", grouped(many)),
            };
            desk.say(Failure { host: whose, ..failure.clone() }.text().trim_end());
        }
        for (failure, hosts) in by_count.iter().skip(MAX_REASONS).take(MAX_SHORT) {
            let whose = cut(&folded(hosts, labels), MAX_BEFORE_REASON);
            desk.say(&format!("controller: {whose}: {}", plain(&failure.in_one_line())));
        }
        if by_count.len() > MAX_REASONS + MAX_SHORT {
            let more = grouped(by_count.len() - MAX_REASONS - MAX_SHORT);
            desk.say(&format!("controller: and {more} more reasons; --output json has them all"));
        }
        desk.remark(&self.line(labels, done));
        let pending = folded(&self.pending, labels);
        if pending.len() > MAX_IN_LINE {
            desk.remark(&format!("not done: {}", harmless(&pending)));
        }
    }

    fn line(&self, labels: &[String], done: &str) -> String {
        let odd = self.odd.iter().map(|(what, hosts)| (what.as_str(), hosts.clone()));
        let mut by_word: Vec<(&str, Vec<usize>)> = odd.collect();
        for (failure, hosts) in &self.failures {
            let word = failure.kind.in_short();
            match by_word.iter_mut().find(|(known, _)| *known == word) {
                Some((_, all)) => all.extend(hosts),
                None => by_word.push((word, hosts.clone())),
            }
        }
        by_word.sort_by_key(|(_, hosts)| std::cmp::Reverse(hosts.len()));
        if !self.pending.is_empty() {
            by_word.push(("not done", self.pending.clone()));
        }
        let mut line = format!("{} {done}", grouped(self.good.len()));
        for (word, hosts) in by_word {
            line += &format!(
                ", {} {word} ({})",
                grouped(hosts.len()),
                plain(&cut(&folded(&hosts, labels), MAX_IN_LINE))
            );
        }
        line
    }
}

fn folded(hosts: &[usize], labels: &[String]) -> String {
    fold(hosts.iter().map(|index| labels[*index].as_str()))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::hosts::{Host, Inventory};

    fn labels() -> Vec<String> {
        (1..=9).map(|number| format!("web{number}")).collect()
    }

    fn host(label: &str) -> Host {
        Host::resolve(label, &Inventory::default()).unwrap()
    }

    fn address(index: usize) -> std::net::SocketAddr {
        format!("192.0.2.{index}:5669").parse().unwrap()
    }

    #[test]
    fn what_befell_many_is_said_once_and_everybody_is_counted() {
        let mut tally = Tally { good: vec![0, 1, 2], pending: vec![8], ..Tally::default() };
        for index in 3..7 {
            let label = &labels()[index];
            tally.fail(
                index,
                &Failure::connect_timed_out(&host(label), address(index), Duration::from_secs(2)),
            );
        }
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        tally.fail(7, &Failure::connect(&host("web8"), address(7), &refused));
        assert_eq!(tally.failures.len(), 2);
        assert_eq!(tally.failures[0].0.message, "it did not answer within 2s");
        assert_eq!(
            tally.line(&labels(), "answered"),
            "3 answered, 4 timed out (web[4-7]), 1 refused (web8), 1 not done (web9)"
        );
        let summary = tally.summary(&labels());
        assert_eq!((summary.hosts, summary.answered, summary.failed, summary.pending), (9, 3, 5, 1));
        assert_eq!(tally.exit(), Exit::Refused);
    }

    #[test]
    fn the_same_reason_is_one_whatever_stands_behind_the_address() {
        let mut tally = Tally::default();
        for index in 0..3 {
            let away = io::Error::from(io::ErrorKind::NetworkUnreachable);
            tally.fail(index, &Failure::connect(&host(&labels()[index]), address(index), &away));
        }
        assert_eq!(tally.failures.len(), 1);
        assert_eq!(tally.failures[0].0.message, "there is no way to it: network unreachable");
    }

    #[test]
    fn when_nobody_was_reached_that_is_said() {
        let mut tally = Tally::default();
        assert_eq!(tally.exit(), Exit::Answered);
        tally.fail(0, &Failure::connect_timed_out(&host("web1"), address(1), Duration::from_secs(2)));
        assert_eq!(tally.exit(), Exit::NotReached);
        tally.fail(1, &Failure::ended(&host("web2")));
        assert_eq!(tally.exit(), Exit::Refused);
    }
}
