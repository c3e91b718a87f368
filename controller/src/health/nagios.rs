//! What Nagios and Icinga read: a status line with performance data, and long text below.
//!
//! A bar begins performance data and a newline ends the line, so neither may come from a host.

use protocol::requests::check::State;

use super::checks::REACHABLE;
use super::finding::{Finding, Measure, Report, by_badness, worst};
use super::performance;
use crate::output::human::plain;

/// More than these are counted; all of them stand in the long text.
const MAX_NAMED: usize = 5;

/// Nagios keeps 8 KiB of what a plugin writes: what would be cut somewhere is left out whole.
const MAX_PERFORMANCE: usize = 6000;

/// One host: its line with performance data, and what there is to say of each check.
pub fn of_host(report: &Report) -> String {
    let (performance, left_out) = performance_data(&report.checks);
    let mut text = status(report);
    if !performance.is_empty() {
        text += &format!(" | {performance}");
    }
    text.push('\n');
    for finding in report.in_brief() {
        text += &format!("{}\n", line(&finding));
        finding.verdict.lines.iter().for_each(|more| text += &format!("  {}\n", harmless(more)));
    }
    if left_out > 0 {
        text += &format!("performance data of {left_out} more values is left out, Nagios would cut it\n");
    }
    text
}

/// Many hosts: what they come to, then a line for each, the worst first. Nagios takes performance data only once.
pub fn of_fleet(reports: &[Report]) -> String {
    let count = |state| reports.iter().filter(|report| report.state == state).count();
    let states = [State::Critical, State::Warning, State::Unknown, State::Ok];
    let counts = states.map(|state| (state.word(), count(state)));
    let said: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let drawn = counts.map(|(word, count)| format!("{}={count};;;0", word.to_lowercase()));
    let state = worst(reports.iter().map(|report| report.state));
    let said = if said.is_empty() { "no host was asked".to_owned() } else { said.join(", ") };
    let mut text = format!("ROLLCALL {} - hosts: {said} | {}\n", state.word(), drawn.join(" "));
    for state in states {
        let found = reports.iter().filter(|report| report.state == state);
        found.for_each(|report| text += &format!("{}\n", status(report)));
    }
    text
}

/// `WEB-1 CRITICAL - disk: / 93 % used; 11 others OK`.
pub fn status(report: &Report) -> String {
    format!("{} {} - {}", harmless(&report.host).to_uppercase(), report.state.word(), summary(report))
}

/// What is not well, and how much is.
pub(super) fn summary(report: &Report) -> String {
    // All that is to be known of it; what else was asked for would only stand before the reason.
    let mut findings = report.checks.iter();
    if let Some(gone) = findings.find(|finding| !report.reached && finding.check == REACHABLE) {
        return harmless(&format!("not reached: {}", gone.verdict.text));
    }
    let sorted = by_badness(&report.checks);
    let (bad, well): (Vec<&Finding>, Vec<&Finding>) =
        sorted.into_iter().partition(|finding| finding.verdict.state != State::Ok);
    let reasons = by_text(&bad);
    let mut parts: Vec<String> = reasons.iter().take(MAX_NAMED).map(|reason| together(reason)).collect();
    let left: usize = reasons.iter().skip(MAX_NAMED).map(Vec::len).sum();
    parts.extend((left > 0).then(|| format!("{left} more that are not OK")));
    match (well.as_slice(), bad.is_empty()) {
        ([], true) => parts.push("no check was made".to_owned()),
        ([], false) => {}
        ([only], true) => parts.push(named(only)),
        ([_], false) => parts.push("1 other OK".to_owned()),
        (all, true) => parts.push(format!("{} checks OK", all.len())),
        (all, false) => parts.push(format!("{} others OK", all.len())),
    }
    parts.join("; ")
}

/// Those that say the same together, as all do of a host that is not reached or does not answer a request.
fn by_text<'a>(findings: &[&'a Finding]) -> Vec<Vec<&'a Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let same = groups.iter_mut().find(|group| group[0].verdict.text == finding.verdict.text);
        match same {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

fn together(group: &[&Finding]) -> String {
    match group {
        [] => String::new(),
        [one] => named(one),
        [one, two] => harmless(&format!("{}, {}: {}", one.name(), two.name(), one.verdict.text)),
        [one, two, more @ ..] => {
            let text = &one.verdict.text;
            harmless(&format!("{}, {} and {} more: {text}", one.name(), two.name(), more.len()))
        }
    }
}

fn line(finding: &Finding) -> String {
    format!("{} - {}", finding.verdict.state.word(), named(finding))
}

fn named(finding: &Finding) -> String {
    harmless(&format!("{}: {}", finding.name(), finding.verdict.text))
}

/// As much of it as fits, and how much does not.
fn performance_data(findings: &[Finding]) -> (String, usize) {
    let (mut text, mut left_out) = (String::new(), 0);
    for finding in findings {
        let check = harmless(&finding.name()).replace(' ', "_");
        for measure in &finding.verdict.measures {
            // Before it is written, so that nothing is cut between two quotes.
            let measure = Measure { label: harmless(&measure.label), ..measure.clone() };
            let written = performance::write(&check, &measure);
            if text.len() + written.len() > MAX_PERFORMANCE {
                left_out += 1;
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text += &written;
        }
    }
    (text, left_out)
}

/// Text that ends neither a line nor the text before performance data.
fn harmless(text: &str) -> String {
    plain(text).replace('|', "/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::facts::Facts;
    use crate::health::finding::Verdict;
    use crate::health::plan::Plan;
    use crate::health::samples::{finding, hostile, report};
    use crate::health::unit::Unit;
    use proptest::prelude::*;

    #[test]
    fn one_status_line_with_performance_data_and_long_text() {
        let disk = Measure {
            warning: "80".parse().ok(),
            critical: "90".parse().ok(),
            ..Measure::new(Unit::Percent, 93.0).labelled("/")
        };
        let mut bad = finding("disk", "", State::Critical, "/ 93 % used");
        bad.verdict.measures.push(disk);
        bad.verdict.lines.push("since Monday".to_owned());
        let mut process = finding("process", "nginx", State::Ok, "4 processes");
        process.verdict.measures.push(Measure::new(Unit::Count, 4.0).at_least(0.0));
        let report = report("web-1", vec![process, bad, finding("load", "", State::Ok, "0.10 a core")]);
        assert_eq!(
            of_host(&report),
            "WEB-1 CRITICAL - disk: / 93 % used; 2 others OK | process_nginx=4;;;0 disk_/=93%;80;90\n\
             CRITICAL - disk: / 93 % used\n  since Monday\n\
             OK - process nginx: 4 processes\nOK - load: 0.10 a core\n"
        );
    }

    #[test]
    fn what_is_worst_comes_first_and_nothing_is_lost() {
        let of = |states: &[State]| {
            let found = states
                .iter()
                .enumerate()
                .map(|(n, state)| finding(&format!("c{n}"), "", *state, &n.to_string()));
            status(&report("h", found.collect()))
        };
        use State::{Critical, Ok, Unknown, Warning};
        for (states, shown) in [
            (&[][..], "H UNKNOWN - no check was made"),
            (&[Ok], "H OK - c0: 0"),
            (&[Ok, Ok], "H OK - 2 checks OK"),
            (&[Ok, Unknown], "H UNKNOWN - c1: 1; 1 other OK"),
            (&[Unknown, Warning, Critical], "H CRITICAL - c2: 2; c1: 1; c0: 0"),
            (&[Warning; 7], "H WARNING - c0: 0; c1: 1; c2: 2; c3: 3; c4: 4; 2 more that are not OK"),
        ] {
            assert_eq!(of(states), shown);
        }
    }

    #[test]
    fn one_reason_is_told_once() {
        let of = |names: &[&str]| {
            let found = names.iter().map(|name| finding(name, "", State::Unknown, "info: not permitted"));
            status(&report("h", found.collect()))
        };
        assert_eq!(of(&["disk", "swap"]), "H UNKNOWN - disk, swap: info: not permitted");
        assert_eq!(of(&["a", "b", "c", "d"]), "H UNKNOWN - a, b and 2 more: info: not permitted");
        let facts = Facts::of_unreachable(report("x", Vec::new()).at, "connect: no answer");
        assert_eq!(
            status(&Plan::standard().judge("web-1", &facts)),
            "WEB-1 CRITICAL - not reached: connect: no answer"
        );
    }

    #[test]
    fn a_fleet_is_summed_up_in_the_first_line() {
        let of = |host: &str, state| report(host, vec![finding("load", "", state, "5 a core")]);
        let fleet = [of("a", State::Ok), of("b", State::Critical), of("c", State::Ok)];
        assert_eq!(
            of_fleet(&fleet),
            "ROLLCALL CRITICAL - hosts: 1 CRITICAL, 2 OK | critical=1;;;0 warning=0;;;0 unknown=0;;;0 ok=2;;;0\n\
             B CRITICAL - load: 5 a core\nA OK - load: 5 a core\nC OK - load: 5 a core\n"
        );
        assert!(of_fleet(&[]).starts_with("ROLLCALL UNKNOWN - hosts: no host was asked | "));
    }

    #[test]
    fn what_would_be_cut_is_left_out_whole_and_told() {
        let measures = (0..500).map(|n| Measure::new(Unit::Count, 1.0).labelled(&format!("/srv/volume-{n}")));
        let mut disk = finding("disk", "", State::Ok, "");
        disk.verdict = Verdict::new(State::Ok, "fine").measured(measures);
        let text = of_host(&report("h", vec![disk]));
        assert!(text.len() < 8192, "{}", text.len());
        let first = text.lines().next().unwrap();
        assert!(first.split(' ').skip_while(|word| *word != "|").skip(1).all(|word| word.ends_with("=1")));
        assert!(text.ends_with("more values is left out, Nagios would cut it\n"), "{text}");
    }

    proptest! {
        #[test]
        fn a_host_breaks_no_line(hostile in hostile()) {
            let lines = 2 + hostile.checks[0].verdict.lines.len();
            let text = of_host(&hostile);
            prop_assert_eq!(text.lines().count(), lines, "{:?}", text);
            prop_assert!(text.matches('|').count() <= 1, "{:?}", text);
            prop_assert!(text.lines().skip(1).all(|line| !line.contains('|')));
            if let Some((_, numbers)) = text.lines().next().unwrap().split_once(" | ") {
                prop_assert_eq!(performance::read(numbers).1, Vec::<&str>::new(), "{}", numbers);
            }
        }
    }
}
