//! What is known of a host when its checks are judged, and what has to be asked for it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use protocol::requests::check::State;
use protocol::requests::info::{Machine, Section};

use super::checks::Need;
use super::plan::Wanted;

const NOT_TOLD: &str = "the agent does not tell it";

/// A fact, or why it is not known.
pub type Told<T> = Result<T, String>;

/// What is known of a host.
#[derive(Debug, Clone)]
pub struct Facts {
    /// This machine's clock.
    pub now: Timestamp,
    /// How long the host was asked for it all.
    pub took: Duration,
    /// Whether the host could be reached and trusted.
    pub reached: Told<()>,
    /// The shortest way there and back that was seen.
    pub round_trip: Told<Duration>,
    /// What the host's clock says, compared with this one.
    pub clock: Told<ClockTold>,
    /// When the certificate ends that the host showed.
    pub certificate_ends: Told<Timestamp>,
    /// The sections that were asked for.
    pub machine: Told<Machine>,
    /// How many processes there are of each name. Of each thing that has a name, something else may be in the way.
    pub processes: BTreeMap<String, Told<u64>>,
    /// Services by the name that was asked for.
    pub services: BTreeMap<String, Told<UnitState>>,
    /// Files by their path.
    pub files: BTreeMap<String, Told<FileState>>,
    /// Declared checks by their name.
    pub declared: BTreeMap<String, Told<Declared>>,
}

/// A host's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockTold {
    /// Its clock minus this one; absent when a clock was set while they were compared.
    pub offset: Option<Offset>,
    /// Whether its kernel says that it is synchronised, where it says anything.
    pub synchronised: Option<bool>,
}

/// An offset that is within the error of what is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offset {
    /// How far apart the clocks are.
    pub seconds: f64,
    /// How wrong that may be.
    pub error_seconds: f64,
}

/// A unit of the service manager, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked` and others.
    pub load: String,
    /// `active`, `inactive`, `failed` and others.
    pub active: String,
    /// More exactly, such as `running` or `auto-restart`.
    pub sub: String,
    /// How often it was started again by itself, where the manager counts that.
    pub restarts: Option<u64>,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq)]
pub enum FileState {
    /// Nothing.
    Absent,
    /// Something, which was changed so long ago by the machine's own clock.
    Present {
        /// Since its content changed last; negative where that is in the future.
        age_seconds: f64,
        /// Its size.
        size_bytes: u64,
    },
}

/// What a declared check said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its verdict.
    pub state: State,
    /// What its program did not say, such as that it did not end in time.
    pub why: Option<String>,
    /// All that it wrote: a line, performance data, more lines.
    pub output: String,
}

impl Facts {
    /// Of a host of which nothing is known yet. What is asked for and told takes the place of the reasons.
    pub fn new(now: Timestamp) -> Facts {
        Facts::unknown(now, Ok(()), "the agent was not asked")
    }

    /// Of a host that could not be reached, or not be trusted.
    pub fn of_unreachable(now: Timestamp, why: &str) -> Facts {
        Facts::unknown(now, Err(why.to_owned()), why)
    }

    fn unknown(now: Timestamp, reached: Told<()>, why: &str) -> Facts {
        Facts {
            now,
            took: Duration::ZERO,
            reached,
            round_trip: Err(why.to_owned()),
            clock: Err(why.to_owned()),
            certificate_ends: Err(why.to_owned()),
            machine: Err(why.to_owned()),
            processes: BTreeMap::new(),
            services: BTreeMap::new(),
            files: BTreeMap::new(),
            declared: BTreeMap::new(),
        }
    }

    /// A section of what the machine told.
    pub(super) fn section<'a, T>(&'a self, part: fn(&'a Machine) -> Option<&'a T>) -> Told<&'a T> {
        part(told(&self.machine)?).ok_or_else(|| NOT_TOLD.to_owned())
    }

    /// What was told of one of these things.
    pub(super) fn named<'a, T>(&self, all: &'a BTreeMap<String, Told<T>>, name: &str) -> Told<&'a T> {
        told(&self.reached)?;
        told(all.get(name).ok_or(NOT_TOLD)?)
    }
}

/// A fact by itself, or a reason of one's own.
pub(super) fn told<T>(fact: &Told<T>) -> Told<&T> {
    fact.as_ref().map_err(String::clone)
}

/// What has to be asked of a host, all in one round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Sections of `info`; none means that it is not asked.
    pub sections: Vec<Section>,
    /// Names of processes.
    pub processes: Vec<String>,
    /// Names of services.
    pub services: Vec<String>,
    /// Paths.
    pub files: Vec<String>,
    /// Names of declared checks.
    pub declared: Vec<String>,
}

impl Needs {
    /// Of these checks.
    pub fn of(wanted: &[Wanted]) -> Needs {
        let mut needs = Needs::default();
        for Wanted { check, subject, .. } in wanted {
            match check.need {
                Need::Contact => {}
                Need::Section(section) if needs.sections.contains(&section) => {}
                Need::Section(section) => needs.sections.push(section),
                Need::Processes => needs.processes.push(subject.clone()),
                Need::Services => needs.services.push(subject.clone()),
                Need::Files => needs.files.push(subject.clone()),
                Need::Declared => needs.declared.push(subject.clone()),
            }
        }
        needs
    }
}
