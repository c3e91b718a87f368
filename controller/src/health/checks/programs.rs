//! Checks of programs: processes, services, and what the machine's owner declared.

use protocol::requests::check::State;

use super::{Check, Need, Subject, When};
use crate::health::facts::{Facts, Told, UnitState};
use crate::health::finding::{Measure, Verdict, worst};
use crate::health::performance;
use crate::health::plan::Wanted;
use crate::health::range::Bare;
use crate::health::threshold::Scale;
use crate::health::unit::Unit;

pub(super) const PROCESS: Check = Check {
    name: "process",
    sentence: "How many processes are called NAME; a number alone is the least that is well.",
    scale: Some(Scale { unit: Unit::Count, bare: Bare::AtLeast, standard: ",1" }),
    when: When::For(Subject::Name),
    need: Need::Processes,
    judge: process,
};

pub(super) const SERVICE: Check = Check {
    name: "service",
    sentence: "The service NAME is active, critical where not; a number alone is the most restarts by itself that are well.",
    scale: Some(Scale { unit: Unit::Count, bare: Bare::AtMost, standard: "5" }),
    when: When::For(Subject::Name),
    need: Need::Services,
    judge: service,
};

pub(super) const DECLARED: Check = Check {
    name: "declared",
    sentence: "What the check NAME says, which the machine's owner declared.",
    scale: None,
    when: When::For(Subject::Name),
    need: Need::Declared,
    judge: declared,
};

#[expect(clippy::cast_precision_loss, reason = "what is counted here stays small")]
fn process(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let count = *facts.named(&facts.processes, &wanted.subject)? as f64;
    let text = if count == 1.0 { "1 process".to_owned() } else { format!("{count} processes") };
    let measure = Measure::new(Unit::Count, count).against(&wanted.threshold).at_least(0.0);
    Ok(Verdict::new(wanted.threshold.judge(count), text).measured([measure]))
}

#[expect(clippy::cast_precision_loss, reason = "what is counted here stays small")]
fn service(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let unit = facts.named(&facts.services, &wanted.subject)?;
    let UnitState { load, active, sub, restarts } = unit;
    if load != "loaded" {
        return Ok(Verdict::new(State::Critical, load.clone()));
    }
    let own = match active.as_str() {
        "active" | "reloading" | "refreshing" => State::Ok,
        // On its way to something else: the next look tells.
        "activating" | "deactivating" | "maintenance" => State::Warning,
        _ => State::Critical,
    };
    let words = format!("{active} ({sub})");
    let Some(restarts) = restarts else {
        return Ok(Verdict::new(own, words));
    };
    let count = *restarts as f64;
    let times = if *restarts == 1 { "time" } else { "times" };
    let text = format!("{words}, restarted {restarts} {times} by itself");
    let measure =
        Measure::new(Unit::Count, count).labelled("restarts").against(&wanted.threshold).at_least(0.0);
    Ok(Verdict::new(worst([own, wanted.threshold.judge(count)]), text).measured([measure]))
}

fn declared(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let said = facts.named(&facts.declared, &wanted.subject)?;
    let mut lines = said.output.lines();
    let (text, numbers) = parted(lines.next().unwrap_or_default());
    let mut numbers = numbers.to_owned();
    let mut verdict = Verdict::new(said.state, said.why.as_deref().unwrap_or(text));
    if said.why.is_some() && !text.is_empty() {
        verdict.lines.push(text.to_owned());
    }
    // Behind the second bar, all that follows is performance data.
    let mut has_second_bar = false;
    for line in lines {
        let (text, more) = if has_second_bar { ("", line) } else { parted(line) };
        has_second_bar |= line.contains('|');
        numbers += " ";
        numbers += more;
        verdict.lines.extend((!text.is_empty()).then(|| text.to_owned()));
    }
    let (measures, nonsense) = performance::read(&numbers);
    if !nonsense.is_empty() {
        verdict.lines.push(format!("this is no performance data: {}", nonsense.join(" ")));
    }
    Ok(verdict.measured(measures))
}

/// A line for people, and performance data.
fn parted(line: &str) -> (&str, &str) {
    let (text, numbers) = line.split_once('|').unwrap_or((line, ""));
    (text.trim(), numbers)
}
