//! What a check found on a host, and what a host's findings come to.

use std::time::Duration;

use jiff::Timestamp;
use protocol::requests::check::State;
use serde::{Serialize, Serializer};

use super::range::Range;
use super::threshold::Threshold;
use super::unit::Unit;
use crate::error::Failure;

/// What one check found on one host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The check's name.
    pub check: String,
    /// What it was asked about, such as a process; empty for a check of the whole machine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The verdict of a check, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// One of four.
    pub state: State,
    /// What was found, in a few words.
    pub text: String,
    /// What was measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// What else there is to say, in lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// A value that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measure {
    /// Which of the check's values it is, such as a disk's place; empty where there is one only.
    pub label: String,
    /// The value; absent where it is not known.
    pub value: Option<f64>,
    /// What it is a number of.
    pub unit: Unit,
    /// What of it is worth a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<Range>,
    /// What of it is critical.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical: Option<Range>,
    /// The least that it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most that it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What was found on a host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// As the person calls it.
    #[serde(skip)]
    pub host: String,
    /// When, by this machine's clock.
    pub at: Timestamp,
    /// How long it took, from the first look at the host to the last answer.
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// Whether it could be asked at all.
    pub reached: bool,
    /// What was in the way of asking it, or of all its answers.
    #[serde(skip)]
    pub failure: Option<Failure>,
    /// When its certificate ends; absent where it was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_ends: Option<Timestamp>,
    /// The worst of what follows.
    pub state: State,
    /// What each check found.
    pub checks: Vec<Finding>,
}

fn seconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}

impl Report {
    /// For eyes: the worst first, and what is not known of a host that is not reached in one line, as its reason is one.
    pub(super) fn in_brief(&self) -> Vec<Finding> {
        let sorted = by_badness(&self.checks).into_iter().cloned();
        let (mut brief, silent): (Vec<Finding>, Vec<Finding>) =
            sorted.partition(|finding| self.reached || finding.verdict.state != State::Unknown);
        let (check, subject) = match silent.as_slice() {
            [] => return brief,
            // Nothing else says why.
            _ if brief.is_empty() => return silent,
            [one] => (one.check.clone(), one.subject.clone()),
            all => (format!("{} others", all.len()), String::new()),
        };
        let verdict = Verdict::new(State::Unknown, "not known, the host is not reached");
        brief.push(Finding { check, subject, verdict });
        brief
    }

    /// The same without whose it is and at which address, as far as that is a part of what was in the way.
    pub(crate) fn of_many(mut self) -> Report {
        if let Some(failure) = &self.failure {
            let (own, common) = (failure.in_one_line(), failure.of_many().in_one_line());
            let verdicts = self.checks.iter_mut().map(|finding| &mut finding.verdict);
            verdicts
                .filter(|verdict| verdict.text == own)
                .for_each(|verdict| verdict.text.clone_from(&common));
        }
        self
    }
}

impl Finding {
    /// As it is shown: `disk`, or `process nginx`.
    pub fn name(&self) -> String {
        if self.subject.is_empty() { self.check.clone() } else { format!("{} {}", self.check, self.subject) }
    }
}

impl Verdict {
    /// A verdict without numbers.
    pub fn new(state: State, text: impl Into<String>) -> Verdict {
        Verdict { state, text: text.into(), measures: Vec::new(), lines: Vec::new() }
    }

    /// With what was measured.
    pub fn measured(mut self, measures: impl IntoIterator<Item = Measure>) -> Verdict {
        self.measures.extend(measures);
        self
    }
}

impl Measure {
    /// A value of a check that has one only.
    pub fn new(unit: Unit, value: f64) -> Measure {
        let value = value.is_finite().then_some(value);
        Measure { label: String::new(), value, unit, warning: None, critical: None, min: None, max: None }
    }

    /// One of several.
    pub fn labelled(mut self, label: &str) -> Measure {
        label.clone_into(&mut self.label);
        self
    }

    /// With what it is held against.
    pub fn against(mut self, threshold: &Threshold) -> Measure {
        (self.warning, self.critical) = (threshold.warning, threshold.critical);
        self
    }

    /// With the least that it can be.
    pub fn at_least(mut self, min: f64) -> Measure {
        self.min = Some(min);
        self
    }
}

/// The worse of two comes later.
pub(super) fn badness(state: State) -> u8 {
    match state {
        State::Ok => 0,
        State::Unknown => 1,
        State::Warning => 2,
        State::Critical => 3,
    }
}

/// The worst of several: CRITICAL, WARNING, UNKNOWN, OK. Of nothing, nothing is known.
pub fn worst(states: impl IntoIterator<Item = State>) -> State {
    states.into_iter().max_by_key(|state| badness(*state)).unwrap_or(State::Unknown)
}

/// The worst first, and otherwise in their order.
pub fn by_badness(findings: &[Finding]) -> Vec<&Finding> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(badness(finding.verdict.state)));
    sorted
}

#[cfg(test)]
mod tests {
    use super::State::{Critical, Ok, Unknown, Warning};
    use super::*;

    #[test]
    fn the_worst_of_several() {
        for (states, expected) in [
            (&[Ok, Unknown, Warning, Critical][..], Critical),
            (&[Warning, Unknown, Ok], Warning),
            (&[Ok, Unknown, Ok], Unknown),
            (&[Ok, Ok], Ok),
            (&[], Unknown),
        ] {
            assert_eq!(worst(states.iter().copied()), expected, "{states:?}");
        }
    }
}
