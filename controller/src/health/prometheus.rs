//! What Prometheus reads, by way of the node exporter's folder of text files: base units, and a fixed set of labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::finding::Report;
use super::unit::Unit;
use crate::output::human::plain;

/// A metric, and its samples by their labels: two with the same labels would void the whole file.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: BTreeMap<String, f64>,
}

impl Family {
    fn new(name: &'static str, help: &'static str) -> Family {
        Family { name, help, samples: BTreeMap::new() }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        self.samples.insert(labels.join(","), value);
    }

    fn write(&self, text: &mut String) {
        if self.samples.is_empty() {
            return;
        }
        let Family { name, help, samples } = self;
        // Writing into memory does not fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    }
}

/// Many hosts, each metric together.
pub fn of_fleet(reports: &[Report]) -> String {
    let mut up = Family::new("rollcall_up", "Whether the host could be reached and trusted.");
    let mut status =
        Family::new("rollcall_check_status", "What a check found: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.");
    let mut duration =
        Family::new("rollcall_check_duration_seconds", "How long all checks of the host took together.");
    let mut ends = Family::new(
        "rollcall_certificate_not_after_seconds",
        "When the agent's certificate ends, in seconds since 1970.",
    );
    let mut value =
        Family::new("rollcall_check_value", "What a check measured, in base units; shares are from 0 to 1.");
    for report in reports {
        let host = [("host", report.host.as_str())];
        up.sample(&host, f64::from(u8::from(report.reached)));
        duration.sample(&host, report.took.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact for ages to come")]
        report.certificate_ends.iter().for_each(|at| ends.sample(&host, at.as_second() as f64));
        for finding in &report.checks {
            let labels = [host[0], ("check", &finding.check), ("subject", &finding.subject)];
            status.sample(&labels, f64::from(finding.verdict.state.code()));
            for measure in &finding.verdict.measures {
                let (unit, divisor) = base(measure.unit);
                let labels = [&labels[..], &[("label", &measure.label), ("unit", unit)]].concat();
                measure.value.iter().for_each(|number| value.sample(&labels, number / divisor));
            }
        }
    }
    let mut text = String::new();
    [up, status, duration, ends, value].iter().for_each(|family| family.write(&mut text));
    text
}

/// The base unit, and how many make one of it.
fn base(unit: Unit) -> (&'static str, f64) {
    match unit {
        Unit::Count => ("", 1.0),
        Unit::Percent => ("ratio", 100.0),
        Unit::Seconds => ("seconds", 1.0),
        Unit::Bytes => ("bytes", 1.0),
        Unit::Counter => ("total", 1.0),
    }
}

/// The value of a label.
fn escaped(value: &str) -> String {
    plain(value).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod grammar;

#[cfg(test)]
mod tests {
    use protocol::requests::check::State;

    use super::*;
    use crate::health::facts::Facts;
    use crate::health::finding::{Measure, Verdict};
    use crate::health::plan::Plan;
    use crate::health::samples::{finding, hostile, report};
    use proptest::prelude::*;

    fn example() -> String {
        let mut disk = finding("disk", "", State::Critical, "/ 93 % used");
        let percent = Measure::new(Unit::Percent, 93.5).labelled("/");
        disk.verdict = Verdict::new(State::Critical, "").measured([percent.clone(), percent]);
        let mut latency = finding("latency", "", State::Ok, "12 ms");
        latency.verdict.measures.push(Measure::new(Unit::Seconds, 0.0125));
        let process = finding("process", "a \"b\" \\ c", State::Unknown, "");
        let asked = report("web-1", vec![latency, disk, process]);
        let now = asked.at;
        let dead = Plan::standard().judge("web-2", &Facts::of_unreachable(now, "connect: no answer"));
        of_fleet(&[asked, dead])
    }

    #[test]
    fn each_metric_once_with_all_its_hosts() {
        let text = example();
        for line in [
            "# TYPE rollcall_up gauge",
            "rollcall_up{host=\"web-1\"} 1",
            "rollcall_up{host=\"web-2\"} 0",
            "rollcall_check_status{host=\"web-1\",check=\"process\",subject=\"a \\\"b\\\" \\\\ c\"} 3",
            "rollcall_check_status{host=\"web-2\",check=\"reachable\",subject=\"\"} 2",
            "rollcall_check_duration_seconds{host=\"web-1\"} 0.012",
            "rollcall_certificate_not_after_seconds{host=\"web-1\"} 1830000000",
            "rollcall_check_value{host=\"web-1\",check=\"disk\",subject=\"\",label=\"/\",unit=\"ratio\"} 0.935",
            "rollcall_check_value{host=\"web-1\",check=\"latency\",subject=\"\",label=\"\",unit=\"seconds\"} 0.0125",
        ] {
            assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line}\n{text}");
        }
        grammar::check(&text).unwrap();
        assert_eq!(of_fleet(&[]), "");
    }

    #[test]
    fn promtool_agrees_where_there_is_one() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let mut promtool = Command::new("promtool");
        let Ok(mut running) = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).spawn() else {
            println!("NOT RUN: promtool check metrics: there is no promtool");
            return;
        };
        running.stdin.take().unwrap().write_all(example().as_bytes()).unwrap();
        assert!(running.wait().unwrap().success());
    }

    proptest! {
        #[test]
        fn a_host_breaks_no_line(one in hostile(), other in hostile()) {
            prop_assert_eq!(grammar::check(&of_fleet(&[one.clone(), other, one])), Ok(()));
        }
    }
}
