//! Reports for tests of formats.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use protocol::requests::check::State;

use super::finding::{Finding, Measure, Report, Verdict, worst};
use super::unit::Unit;

/// A finding without numbers.
pub(super) fn finding(check: &str, subject: &str, state: State, text: &str) -> Finding {
    let (check, subject) = (check.to_owned(), subject.to_owned());
    Finding { check, subject, verdict: Verdict::new(state, text) }
}

/// A host that was reached.
pub(super) fn report(host: &str, checks: Vec<Finding>) -> Report {
    Report {
        host: host.to_owned(),
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        took: Duration::from_millis(12),
        reached: true,
        failure: None,
        certificate_ends: Timestamp::from_second(1_830_000_000).ok(),
        state: worst(checks.iter().map(|finding| finding.verdict.state)),
        checks,
    }
}

/// A host that writes whatever might break a format.
pub(super) fn hostile() -> impl Strategy<Value = Report> {
    let text =
        || "([ -~]|[\\x00-\\x1f|\"'\\\\<>&=;{}\\[\\]\u{85}\u{2028}\u{202e}\u{fffe}\u{ffff}é\u{1f600}]){0,12}";
    let numbers = prop::option::of(prop::num::f64::ANY);
    let units =
        prop::sample::select(vec![Unit::Count, Unit::Percent, Unit::Seconds, Unit::Bytes, Unit::Counter]);
    let measures = prop::collection::vec((text(), numbers, units), 0..4);
    let lines = prop::collection::vec(text(), 0..3);
    (text(), text(), text(), measures, lines).prop_map(|(host, subject, said, measures, lines)| {
        let measures = measures
            .into_iter()
            .map(|(label, value, unit)| Measure::new(unit, value.unwrap_or(f64::NAN)).labelled(&label));
        let mut found = finding("declared", &subject, State::Warning, &said);
        found.verdict = found.verdict.measured(measures);
        found.verdict.lines = lines;
        report(&host, vec![found])
    })
}
