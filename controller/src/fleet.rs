//! The same with many hosts: side by side, with a bar meanwhile, and one report in the order in which they were named.

use std::io::{self, IsTerminal, Write};

use futures_util::stream::{self, StreamExt};

use crate::desk::Desk;
use crate::error::{Failure, Kind, Trouble};
use crate::exit::Exit;
use crate::output::{Show, json};

/// Conversations that go on at the same time.
const AT_ONCE: usize = 32;

/// Many hosts with which the same is done.
pub(crate) struct Fleet<'a> {
    pub(crate) desk: &'a Desk,
    /// What has become of a host when all is well, such as `adopted`.
    pub(crate) done: &'a str,
    /// What it is called when something at this desk is in the way.
    pub(crate) not_begun: Kind,
    /// What mends that, where nothing better is known.
    pub(crate) hint: &'a str,
}

impl Fleet<'_> {
    /// Does it with each, and reports.
    pub(crate) async fn each<'h, T: Show>(
        &self,
        jobs: impl ExactSizeIterator<Item = (&'h str, impl Future<Output = Result<T, Trouble>>)>,
    ) -> Result<Exit, Trouble> {
        let mut progress = Progress::new(self.desk, jobs.len());
        let mut outcomes: Vec<_> = stream::iter(jobs.enumerate())
            .map(|(index, (host, job))| async move { (index, host, job.await) })
            .buffer_unordered(AT_ONCE)
            .inspect(|_| progress.step())
            .collect()
            .await;
        progress.end();
        outcomes.sort_unstable_by_key(|(index, ..)| *index);
        let outcomes: Vec<_> = outcomes
            .into_iter()
            .map(|(_, host, outcome)| {
                (host, outcome.map_err(|trouble| trouble.of_host(host, self.not_begun, self.hint)))
            })
            .collect();
        self.report(&outcomes)
    }

    fn report<T: Show>(&self, outcomes: &[(&str, Result<T, Failure>)]) -> Result<Exit, Trouble> {
        let entries = outcomes.iter().map(|(host, outcome)| match outcome {
            Ok(answer) => json::Entry::answer(host, answer),
            Err(failure) => json::Entry::failure(failure),
        });
        let failures: Vec<&Failure> =
            outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).collect();
        let good = outcomes.len() - failures.len();
        if self.desk.is_table() {
            for (host, outcome) in outcomes {
                match outcome {
                    Ok(answer) => self.desk.print(&answer.table(host))?,
                    Err(failure) => {
                        self.desk.report(&Trouble::Host(failure.clone()));
                    }
                }
            }
            self.desk.remark(&format!("{}: {good}, failed: {}", self.done, failures.len()));
        } else if self.desk.is_one_document() {
            let hosts: Vec<_> = entries.collect();
            self.desk.print(&json::document_of_hosts(T::SCHEMA, &hosts))?;
        } else {
            for entry in entries {
                self.desk.print(&json::line(T::SCHEMA, &entry))?;
            }
        }
        Ok(match &failures[..] {
            [] => Exit::Answered,
            all if good == 0 && all.iter().all(|failure| failure.stage.is_before_trust()) => Exit::NotReached,
            _ => Exit::Refused,
        })
    }
}

/// How far it has come, on a terminal that somebody looks at.
struct Progress {
    shown: bool,
    done: usize,
    all: usize,
}

impl Progress {
    fn new(desk: &Desk, all: usize) -> Progress {
        Progress { shown: !desk.is_quiet() && io::stderr().is_terminal(), done: 0, all }
    }

    fn step(&mut self) {
        const WIDTH: usize = 30;
        self.done += 1;
        if self.shown {
            let full = WIDTH * self.done / self.all;
            let bar = "#".repeat(full) + &".".repeat(WIDTH - full);
            let _ = write!(io::stderr(), "\r[{bar}] {} of {}", self.done, self.all);
        }
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
