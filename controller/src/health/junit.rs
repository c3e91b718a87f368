//! What CI systems read of tests: a suite for each host, a case for each check.

use std::fmt::Write as _;

use protocol::requests::check::State;

use super::finding::{Finding, Report};
use crate::output::human::is_dangerous;

/// How a case ended, by the element that says so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failure,
    Error,
    Skipped,
}

/// Many hosts in one document. A warning fails a gate, as its exit code does; what is not known is an error.
pub fn of_fleet(reports: &[Report]) -> String {
    let took: f64 = reports.iter().map(|report| report.took.as_secs_f64()).sum();
    let all = reports.iter().flat_map(|report| report.checks.iter().map(|finding| outcome(report, finding)));
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    text += &format!("<testsuites name=\"rollcall\"{} time=\"{took:.3}\">\n", counts(all));
    reports.iter().for_each(|report| suite(report, &mut text));
    text + "</testsuites>\n"
}

fn suite(report: &Report, text: &mut String) {
    let host = escaped(&report.host);
    let outcomes = report.checks.iter().map(|finding| outcome(report, finding));
    // Writing into memory does not fail.
    let _ = writeln!(
        text,
        "  <testsuite name=\"{host}\" hostname=\"{host}\"{} time=\"{:.3}\" timestamp=\"{}\">",
        counts(outcomes),
        report.took.as_secs_f64(),
        report.at.strftime("%Y-%m-%dT%H:%M:%S"),
    );
    report.checks.iter().for_each(|finding| case(report, finding, text));
    text.push_str("  </testsuite>\n");
}

fn case(report: &Report, finding: &Finding, text: &mut String) {
    let verdict = &finding.verdict;
    let said = escaped(&verdict.text);
    let (host, name) = (escaped(&report.host), escaped(&finding.name()));
    let word = verdict.state.word();
    let lines = escaped(&verdict.lines.join("\n"));
    // What the checks of a host take cannot be told apart: they are asked all at once.
    let _ = write!(text, "    <testcase classname=\"{host}\" name=\"{name}\" time=\"0\">");
    let _ = match outcome(report, finding) {
        Outcome::Passed => write!(text, "<system-out>{said}\n{lines}</system-out>"),
        Outcome::Failure => write!(text, "<failure type=\"{word}\" message=\"{said}\">{lines}</failure>"),
        Outcome::Error => write!(text, "<error type=\"{word}\" message=\"{said}\">{lines}</error>"),
        Outcome::Skipped => write!(text, "<skipped message=\"{said}\"/>"),
    };
    text.push_str("</testcase>\n");
}

/// A host that is not reached fails once: what could not be looked at then is no fault of its own.
fn outcome(report: &Report, finding: &Finding) -> Outcome {
    let fails_itself = || report.checks.iter().any(|finding| finding.verdict.state == State::Critical);
    match finding.verdict.state {
        State::Ok => Outcome::Passed,
        State::Warning | State::Critical => Outcome::Failure,
        State::Unknown if !report.reached && fails_itself() => Outcome::Skipped,
        State::Unknown => Outcome::Error,
    }
}

fn counts(outcomes: impl Iterator<Item = Outcome>) -> String {
    let outcomes: Vec<Outcome> = outcomes.collect();
    let count = |of: Outcome| outcomes.iter().filter(|outcome| **outcome == of).count();
    format!(
        " tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        outcomes.len(),
        count(Outcome::Failure),
        count(Outcome::Error),
        count(Outcome::Skipped)
    )
}

/// Text that means itself in XML, with a mark in place of what XML forbids or a terminal might obey.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // As a reference it stays what it is in an attribute too.
            '\n' => escaped += "&#10;",
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other if is_dangerous(other) => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::facts::Facts;
    use crate::health::plan::Plan;
    use crate::health::samples::{finding, hostile, report};
    use proptest::prelude::*;

    #[test]
    fn a_suite_for_each_host_and_a_case_for_each_check() {
        let mut disk = finding("disk", "", State::Critical, "/ 93 % used");
        disk.verdict.lines = vec!["a < b".to_owned(), "& so on".to_owned()];
        let report = report(
            "web-1",
            vec![
                finding("load", "", State::Ok, "0.10 a core"),
                disk,
                finding("process", "\"x\"", State::Unknown, "not told"),
            ],
        );
        assert_eq!(
            of_fleet(&[report]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"rollcall\" tests=\"3\" failures=\"1\" errors=\"1\" skipped=\"0\" time=\"0.012\">\n  \
             <testsuite name=\"web-1\" hostname=\"web-1\" tests=\"3\" failures=\"1\" errors=\"1\" skipped=\"0\" \
             time=\"0.012\" timestamp=\"2027-01-15T08:00:00\">\n    \
             <testcase classname=\"web-1\" name=\"load\" time=\"0\"><system-out>0.10 a core\n</system-out></testcase>\n    \
             <testcase classname=\"web-1\" name=\"disk\" time=\"0\"><failure type=\"CRITICAL\" message=\"/ 93 % used\">\
             a &lt; b&#10;&amp; so on</failure></testcase>\n    \
             <testcase classname=\"web-1\" name=\"process &quot;x&quot;\" time=\"0\">\
             <error type=\"UNKNOWN\" message=\"not told\"></error></testcase>\n  \
             </testsuite>\n</testsuites>\n"
        );
    }

    #[test]
    fn a_host_that_is_not_reached_fails_once() {
        let facts = Facts::of_unreachable(report("x", Vec::new()).at, "connect: no answer");
        let mut plan = Plan::standard();
        let text = of_fleet(&[plan.judge("web-1", &facts)]);
        assert!(text.contains(" tests=\"12\" failures=\"1\" errors=\"0\" skipped=\"11\""), "{text}");
        plan.keep(|check| check.name == "disk");
        let text = of_fleet(&[plan.judge("web-1", &facts)]);
        assert!(text.contains(" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{text}");
        let text = of_fleet(&[Plan::declared("mail").judge("web-1", &facts)]);
        assert!(text.contains(" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\""), "{text}");
    }

    /// Whether tags close in order, attributes are quoted and only characters stand there that XML allows.
    fn is_well_formed(text: &str) -> bool {
        let is_control = |c: char| c.is_control() && c != '\n';
        let forbidden = |c: char| is_control(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
        let mut open: Vec<&str> = Vec::new();
        let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").unwrap_or("<");
        while let Some((before, tag)) = rest.split_once('<') {
            // Text has no bare ampersand and no bracket.
            let entities = ["amp;", "lt;", "gt;", "quot;", "#10;"];
            let is_text = |text: &str| {
                !text.contains('>')
                    && text
                        .split('&')
                        .skip(1)
                        .all(|part| entities.iter().any(|entity| part.starts_with(entity)))
            };
            let Some((tag, behind)) = tag.split_once('>') else { return false };
            if !is_text(before) || !is_text(tag) || tag.matches('"').count() % 2 != 0 {
                return false;
            }
            match (tag.strip_prefix('/'), tag.ends_with('/')) {
                (Some(name), _) if open.pop() != Some(name) => return false,
                (None, false) => open.push(tag.split(' ').next().unwrap_or_default()),
                _ => {}
            }
            rest = behind;
        }
        open.is_empty() && !text.contains(forbidden)
    }

    proptest! {
        #[test]
        fn a_host_breaks_no_document(one in hostile(), other in hostile()) {
            let text = of_fleet(&[one, other]);
            prop_assert!(is_well_formed(&text), "{}", text);
        }
    }
}
