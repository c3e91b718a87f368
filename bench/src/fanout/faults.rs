//! Many hosts of which some are out of order: everybody is accounted for, and nobody is waited for in vain for long.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bench::{Error, street};
use serde_json::Value;

use super::ground::Ground;
use crate::Effort;
use crate::fleet::Fleet;
use crate::oneshot::one;
use crate::report::{Aim, Report};
use crate::samples::Samples;

const TIMEOUT: Duration = Duration::from_secs(5);
const BEYOND: f64 = 2.0;
/// Rounds: most of each is waiting.
const ENOUGH: usize = 3;

/// A fault, of how many hosts it befalls one, and the stage at which it must be told.
const FAULTS: [(&str, usize, &str); 3] =
    [("dead", 20, "connect"), ("silent", 50, "tls"), ("wrong", 100, "identity")];

/// What a run said at its end.
struct Run {
    seconds: f64,
    summary: Value,
}

pub(super) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let (count, rounds) = (effort.hosts[1], effort.turns.min(ENOUGH));
    let faults = FAULTS.map(|(name, share, _)| format!("{name}={}", count / share));
    let ground = Ground::prepare(fleet, "out-of-order", count, &faults)?;
    let home = ground.home_knowing(0)?;
    let range = street::selection(count, ground.port());
    let timeout = format!("{}s", TIMEOUT.as_secs());
    let words = ["uptime", &range, "--output", "jsonl", "--timeout", &timeout];
    let mut table = format!(
        "### Out of order\n\n{count} hosts with {}; `--timeout {timeout}`.\n\n| run | seconds | answered | not reached | silent | \
         not trusted |\n|---|---|---|---|---|---|",
        faults.join(", ")
    );
    let mut beyond_in = |name: &str, words: &[&str]| -> Result<f64, Error> {
        let run = run(ground.controller(&home, words))?;
        table += &format!(
            "\n| {name} | {:.2} | {} | {} | {} | {} |",
            run.seconds,
            run.summary["answered"],
            run.failed_at("connect"),
            run.failed_at("tls"),
            run.failed_at("identity"),
        );
        run.demand_all(count)?;
        Ok(run.seconds - TIMEOUT.as_secs_f64())
    };
    let beyond = (1..=rounds).map(|round| beyond_in(&round.to_string(), &words));
    let beyond = beyond.collect::<Result<Vec<_>, _>>()?;
    // Whoever says how many are asked at once is not asked in another order by what was known.
    let jobs = count.to_string();
    let all_at_once = beyond_in("all at once", &[&words[..], &["--jobs", &jobs]].concat())?;
    let what = format!("{count} hosts, 8 % out of order, all accounted for: time beyond the timeout");
    let (first, again) = beyond.split_first().ok_or("no rounds")?;
    one(report, &format!("{what}, when nothing is known of them"), Aim::AtMost(BEYOND), *first, " s")?;
    one(report, "the same, all at once (`--jobs`)", Aim::AtMost(BEYOND), all_at_once, " s")?;
    if let Some(again) = Samples::new(again.to_vec()) {
        report.compare(&format!("{what}, after a run before"), Aim::AtMost(BEYOND), &again, " s");
    }
    report.detail(table);
    Ok(())
}

fn run(mut command: Command) -> Result<Run, Error> {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    let seconds = began.elapsed().as_secs_f64();
    let text = String::from_utf8(output.stdout)?;
    let last: Value = serde_json::from_str(text.lines().last().ok_or("it said nothing")?)?;
    Ok(Run { seconds, summary: last["summary"].clone() })
}

impl Run {
    /// Everybody is counted, and under the right heading.
    fn demand_all(&self, count: usize) -> Result<(), Error> {
        let bad: usize = FAULTS.iter().map(|(_, share, _)| count / share).sum();
        let number = |key: &str| self.summary[key].as_u64();
        let expected = [("hosts", count), ("answered", count - bad), ("failed", bad), ("pending", 0)];
        let mut wrong = expected.iter().filter(|(key, many)| number(key) != Some(*many as u64));
        let by_stage = FAULTS.iter().all(|(_, share, stage)| self.failed_at(stage) == (count / share) as u64);
        match wrong.next().is_none() && by_stage {
            true => Ok(()),
            false => Err(format!("not everybody is accounted for: {}", self.summary).into()),
        }
    }

    fn failed_at(&self, stage: &str) -> u64 {
        let failures = self.summary["failures"].as_array().into_iter().flatten();
        failures
            .filter(|failure| failure["stage"] == stage)
            .filter_map(|failure| failure["count"].as_u64())
            .sum()
    }
}
