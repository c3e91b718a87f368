//! What `doctor` found, step by step: told as it is found for eyes, and in one document for programs.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::sign::{Outcome, Signs};
use crate::desk::Desk;
use crate::error::{Kind, Trouble};
use crate::output::Show;
use crate::output::human::plain;

/// The steps, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    Home,
    Host,
    OwnIdentity,
    Lookup,
    Connect,
    Tls,
    AgentIdentity,
    Trust,
    Clocks,
    Permission,
    Request,
}

impl Step {
    const ALL: [Step; 11] = [
        Step::Home,
        Step::Host,
        Step::OwnIdentity,
        Step::Lookup,
        Step::Connect,
        Step::Tls,
        Step::AgentIdentity,
        Step::Trust,
        Step::Clocks,
        Step::Permission,
        Step::Request,
    ];

    fn word(self) -> &'static str {
        match self {
            Step::Home => "home",
            Step::Host => "host",
            Step::OwnIdentity => "your identity",
            Step::Lookup => "lookup",
            Step::Connect => "connect",
            Step::Tls => "TLS",
            Step::AgentIdentity => "its identity",
            Step::Trust => "trust",
            Step::Clocks => "clocks",
            Step::Permission => "permission",
            Step::Request => "request",
        }
    }
}

/// One step, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    name: Step,
    outcome: Outcome,
    #[serde(skip_serializing_if = "String::is_empty")]
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    hint: String,
}

impl Finding {
    pub(super) fn good(name: Step, found: impl Into<String>) -> Finding {
        let found = found.into();
        Finding {
            name,
            outcome: Outcome::Ok,
            found,
            took_seconds: None,
            kind: None,
            why: String::new(),
            hint: String::new(),
        }
    }

    pub(super) fn warning(name: Step, found: impl Into<String>, hint: &str) -> Finding {
        Finding { outcome: Outcome::Warning, hint: hint.to_owned(), ..Finding::good(name, found) }
    }

    /// In the words that every other verb would use.
    pub(super) fn trouble(name: Step, outcome: Outcome, trouble: &Trouble) -> Finding {
        let (found, why, hint) = trouble.told();
        let kind = match trouble {
            Trouble::Host(failure) => Some(failure.kind),
            Trouble::Here(..) | Trouble::Stdout(_) => None,
        };
        Finding { outcome, kind, why, hint, ..Finding::good(name, found) }
    }

    pub(super) fn because(self, why: &str) -> Finding {
        Finding { why: why.to_owned(), ..self }
    }
}

/// All findings so far.
pub(super) struct Chart<'a> {
    desk: &'a Desk,
    signs: Signs,
    /// Whether each step is said as it is over.
    says: bool,
    last: Instant,
    findings: Vec<Finding>,
}

impl<'a> Chart<'a> {
    pub(super) fn new(desk: &'a Desk) -> Chart<'a> {
        Chart { says: desk.is_text(), ..Chart::silent(desk) }
    }

    /// One among many, of which what is wrong is told at the end.
    pub(super) fn silent(desk: &'a Desk) -> Chart<'a> {
        let (signs, last) = (Signs::of_this_terminal(), Instant::now());
        Chart { desk, signs, says: false, last, findings: Vec::new() }
    }

    /// The time since the last step was over.
    pub(super) fn lap(&mut self) -> Duration {
        let before = std::mem::replace(&mut self.last, Instant::now());
        self.last.duration_since(before)
    }

    /// Writes down what came of a step that is over now.
    pub(super) fn note(&mut self, finding: Finding) -> Result<(), Trouble> {
        let took = self.lap();
        self.note_timed(finding, took)
    }

    /// Writes down what came of a step that took so long.
    pub(super) fn note_timed(&mut self, finding: Finding, took: Duration) -> Result<(), Trouble> {
        let finding = Finding { took_seconds: Some(took.as_secs_f64()), ..finding };
        // A step can take as long as the time limit: whoever waits sees how far it is.
        if self.says {
            let milliseconds = took.as_secs_f64() * 1e3;
            self.desk.print(&self.line(&finding, &format!(" {milliseconds:>9.1} ms")))?;
        }
        self.findings.push(finding);
        Ok(())
    }

    /// Without this there is no going on.
    pub(super) fn demand<T, E: Into<Trouble>>(
        &mut self,
        name: Step,
        result: Result<T, E>,
    ) -> Result<T, Trouble> {
        match result.map_err(Into::into) {
            Ok(value) => Ok(value),
            Err(trouble) => {
                self.note(Finding::trouble(name, Outcome::Failed, &trouble))?;
                Err(trouble)
            }
        }
    }

    fn line(&self, finding: &Finding, took: &str) -> String {
        let Finding { name, outcome, found, why, hint, .. } = finding;
        let (sign, name) = (self.signs.of(*outcome), name.word());
        let mut text = format!("{sign} {name:<13}{took}  {}\n", plain(found));
        for (label, line) in [("why", why), ("try", hint)] {
            if !line.is_empty() {
                text += &format!("    {label}: {}\n", plain(line));
            }
        }
        text
    }

    /// The findings, and with them the steps that were not taken.
    pub(super) fn close(self) -> Findings {
        let wrong = self.findings.iter().filter(|finding| !self.says && finding.outcome != Outcome::Ok);
        // Without times, so that what is the same on many can be folded.
        let untold = wrong.map(|finding| self.line(finding, "")).collect();
        let mut steps = self.findings;
        let taken: Vec<Step> = steps.iter().map(|finding| finding.name).collect();
        let missed = Step::ALL.into_iter().filter(|step| !taken.contains(step));
        steps.extend(missed.map(|name| Finding { outcome: Outcome::NotTried, ..Finding::good(name, "") }));
        Findings { steps, untold }
    }
}

/// What a program reads.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    steps: Vec<Finding>,
    /// For eyes, what is wrong and was not told when it was found.
    #[serde(skip)]
    untold: String,
}

impl Show for Findings {
    const SCHEMA: &'static str = "rollcall.doctor/1";
    const SAYS_WHOSE: bool = true;

    /// What was not told as it was found, and a last line.
    fn table(&self, host: &str) -> String {
        self.untold.clone() + &self.verdict(host)
    }

    fn among(&self, host: &str) -> String {
        let whose = if self.untold.is_empty() { String::new() } else { format!("{}:\n", plain(host)) };
        whose + &self.table(host)
    }

    fn odd(&self) -> Option<String> {
        let failed = self.steps.iter().find(|finding| finding.outcome == Outcome::Failed)?;
        Some(failed.kind.unwrap_or(Kind::NotAsked).in_short().to_owned())
    }
}

impl Findings {
    fn verdict(&self, host: &str) -> String {
        let of = |outcome| self.steps.iter().filter(move |finding| finding.outcome == outcome);
        let missed: Vec<&str> = of(Outcome::NotTried).map(|finding| finding.name.word()).collect();
        let (host, failed) = (plain(host), of(Outcome::Failed).count());
        match of(Outcome::Warning).count() {
            _ if !missed.is_empty() => format!("not tried: {}\n", missed.join(", ")),
            _ if failed > 0 => format!("{host} is reached and trusted, and does not answer as it should\n"),
            0 => format!("all is well with {host}\n"),
            1 => format!("{host} answers, with 1 warning\n"),
            count => format!("{host} answers, with {count} warnings\n"),
        }
    }
}

/// Ways to the same end. One that fails is worth a warning, as long as another one works.
pub(super) struct Ways {
    step: Step,
    open: bool,
    closed: Vec<(Trouble, Duration)>,
}

impl Ways {
    pub(super) fn of(step: Step) -> Ways {
        Ways { step, open: false, closed: Vec::new() }
    }

    pub(super) fn works(&mut self, chart: &mut Chart<'_>, found: String) -> Result<(), Trouble> {
        let took = chart.lap();
        self.open = true;
        self.tell(chart, Outcome::Warning)?;
        chart.note_timed(Finding::good(self.step, found), took)
    }

    pub(super) fn fails(&mut self, chart: &mut Chart<'_>, trouble: Trouble) -> Result<(), Trouble> {
        self.closed.push((trouble, chart.lap()));
        if self.open { self.tell(chart, Outcome::Warning) } else { Ok(()) }
    }

    /// One of them must have worked.
    pub(super) fn demand(mut self, chart: &mut Chart<'_>) -> Result<(), Trouble> {
        self.tell(chart, Outcome::Failed)?;
        match self.closed.pop() {
            Some((trouble, _)) if !self.open => Err(trouble),
            _ => Ok(()),
        }
    }

    fn tell(&mut self, chart: &mut Chart<'_>, outcome: Outcome) -> Result<(), Trouble> {
        for (trouble, took) in &self.closed {
            chart.note_timed(Finding::trouble(self.step, outcome, trouble), *took)?;
        }
        if self.open {
            self.closed.clear();
        }
        Ok(())
    }
}
