//! A report for eyes, and as JSON.

use protocol::requests::check::State;
use serde::Serialize;

use super::finding::{Report, badness};
use super::nagios::summary;
use crate::error::Failure;
use crate::output::human::plain;
use crate::output::table::columns;
use crate::output::{Cell, Column, Show};

impl Report {
    /// What is not well, and how much is, on one line.
    pub(crate) fn summary(&self) -> String {
        summary(self)
    }
}

impl Show for Report {
    const SCHEMA: &'static str = "rollcall.health/1";
    const SAYS_WHOSE: bool = true;

    fn among(&self, host: &str) -> String {
        format!("{}  {} - {}\n", plain(host), self.state.word(), summary(self))
    }

    fn odd(&self) -> Option<String> {
        (self.state != State::Ok).then(|| self.state.word().to_owned())
    }

    /// What was found out before may be worse than that not all was.
    fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().filter(|_| !self.reached || self.state == State::Unknown)
    }

    fn table(&self, host: &str) -> String {
        let mut rows = Vec::new();
        for finding in self.in_brief() {
            let verdict = &finding.verdict;
            rows.push(vec![verdict.state.word().to_owned(), finding.name(), verdict.text.clone()]);
            rows.extend(verdict.lines.iter().map(|line| vec![String::new(), String::new(), line.clone()]));
        }
        format!("{}  {}\n{}", plain(host), self.state.word(), columns(None, &rows, &[]))
    }

    fn columns() -> Vec<Column<Report>> {
        vec![
            Column::other("state", "state", state),
            Column::other("summary", "summary", |it| Cell::text(&summary(it))),
        ]
    }
}

fn state(report: &Report) -> Cell {
    Cell::ranked(report.state.word(), badness(report.state))
}

/// A report on one line that does not say whose it is, for forms that say that themselves.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Line(pub(crate) Report);

impl Show for Line {
    const SCHEMA: &'static str = Report::SCHEMA;

    fn table(&self, _: &str) -> String {
        format!("{} - {}\n", self.0.state.word(), summary(&self.0))
    }

    fn odd(&self) -> Option<String> {
        self.0.odd()
    }

    fn failure(&self) -> Option<&Failure> {
        Show::failure(&self.0)
    }

    fn columns() -> Vec<Column<Line>> {
        vec![
            Column::other("state", "state", |it| state(&it.0)),
            Column::other("summary", "summary", |it| Cell::text(&summary(&it.0))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use protocol::requests::check::State;
    use serde_json::json;

    use super::*;
    use crate::health::finding::Measure;
    use crate::health::samples::{finding, report};
    use crate::health::unit::Unit;
    use crate::output::json::{Entry, document};

    fn sample() -> Report {
        let mut disk = finding("disk", "", State::Critical, "/ 93 % used");
        disk.verdict.measures.push(Measure {
            warning: "80".parse().ok(),
            critical: "~:90".parse().ok(),
            ..Measure::new(Unit::Percent, 93.0).labelled("/")
        });
        disk.verdict.lines.push("since\u{1b}[31m Monday".to_owned());
        report("web-1", vec![finding("process", "nginx", State::Ok, "4 processes"), disk])
    }

    #[test]
    fn the_worst_comes_first_for_eyes() {
        let table = sample().table("web-1");
        let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words,
            [
                &["web-1", "CRITICAL"][..],
                &["CRITICAL", "disk", "/", "93", "%", "used"],
                &["since\u{fffd}[31m", "Monday"],
                &["OK", "process", "nginx", "4", "processes"],
            ]
        );
    }

    #[test]
    fn json_says_all_of_it_with_units() {
        let report = sample();
        let text = document(Report::SCHEMA, &Entry::answer("web-1", &report));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let answer = json!({
            "at": "2027-01-15T08:00:00Z",
            "took_seconds": 0.012,
            "reached": true,
            "certificate_ends": "2027-12-28T13:20:00Z",
            "state": "critical",
            "checks": [
                { "check": "process", "subject": "nginx", "state": "ok", "text": "4 processes" },
                {
                    "check": "disk", "state": "critical", "text": "/ 93 % used",
                    "measures": [
                        { "label": "/", "value": 93.0, "unit": "percent", "warning": "80", "critical": "~:90" }
                    ],
                    "lines": ["since\u{1b}[31m Monday"],
                },
            ],
        });
        assert_eq!(read["hosts"][0], json!({ "host": "web-1", "answer": answer }));
    }
}
