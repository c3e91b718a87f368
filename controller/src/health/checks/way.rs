//! Checks of the way to a host, and of what its agent shows on it: its certificate and its clock.

use protocol::requests::check::State;

use super::{Check, Need, When};
use crate::health::facts::{ClockTold, Facts, Told, told};
use crate::health::finding::{Measure, Verdict};
use crate::health::plan::Wanted;
use crate::health::range::Bare;
use crate::health::threshold::Scale;
use crate::health::unit::Unit;
use crate::output::human::{age, milliseconds};

pub(super) const REACHABLE: Check = Check {
    name: "reachable",
    sentence: "The agent can be reached, proves who it is and answers; critical where it does not.",
    scale: None,
    when: When::Always,
    need: Need::Contact,
    judge: reachable,
};

pub(super) const LATENCY: Check = Check {
    name: "latency",
    sentence: "The time for a question and its answer; a time alone is the most that is well.",
    scale: Some(Scale { unit: Unit::Seconds, bare: Bare::AtMost, standard: "100ms,1s" }),
    when: When::Always,
    need: Need::Contact,
    judge: latency,
};

pub(super) const CLOCK: Check = Check {
    name: "clock",
    sentence: "How far the machine's clock is from this one, either way; a time alone is the most that is well.",
    scale: Some(Scale { unit: Unit::Seconds, bare: Bare::AtMost, standard: "500ms,2s" }),
    when: When::Always,
    need: Need::Contact,
    judge: clock,
};

pub(super) const SYNCHRONISED: Check = Check {
    name: "synchronised",
    sentence: "The machine's kernel says that its clock follows a source of time; a warning where it does not.",
    scale: None,
    when: When::Always,
    need: Need::Contact,
    judge: synchronised,
};

pub(super) const CERT: Check = Check {
    name: "cert",
    sentence: "The time until the agent's certificate ends; a time alone is the least that is well.",
    scale: Some(Scale { unit: Unit::Seconds, bare: Bare::AtLeast, standard: "21d,7d" }),
    when: When::Always,
    need: Need::Contact,
    judge: cert,
};

fn reachable(facts: &Facts, _: &Wanted) -> Told<Verdict> {
    Ok(match &facts.reached {
        Ok(()) => Verdict::new(State::Ok, "answers"),
        Err(why) => Verdict::new(State::Critical, why),
    })
}

fn latency(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let seconds = told(&facts.round_trip)?.as_secs_f64();
    let measure = Measure::new(Unit::Seconds, seconds).against(&wanted.threshold).at_least(0.0);
    Ok(Verdict::new(wanted.threshold.judge(seconds), milliseconds(seconds)).measured([measure]))
}

fn clock(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let ClockTold { offset, .. } = told(&facts.clock)?;
    let offset = offset.ok_or("a clock was set while the two were compared")?;
    let (apart, error) = (offset.seconds.abs(), offset.error_seconds);
    let state = match wanted.threshold.judge(apart) {
        // An error that would itself be an offset to tell of proves nothing.
        State::Ok if wanted.threshold.judge(error) != State::Ok => State::Unknown,
        state => state,
    };
    let which = if offset.seconds < 0.0 { "behind" } else { "ahead" };
    let text = format!("{} {which}, +-{}", milliseconds(apart), milliseconds(error));
    // What is compared is how far, so what is drawn is that too.
    let measure = Measure::new(Unit::Seconds, apart).against(&wanted.threshold).at_least(0.0);
    Ok(Verdict::new(state, text)
        .measured([measure, Measure::new(Unit::Seconds, error).labelled("error").at_least(0.0)]))
}

fn synchronised(facts: &Facts, _: &Wanted) -> Told<Verdict> {
    Ok(match told(&facts.clock)?.synchronised {
        Some(true) => Verdict::new(State::Ok, "yes, says the kernel"),
        Some(false) => Verdict::new(State::Warning, "no, says the kernel"),
        None => Verdict::new(State::Unknown, "the kernel does not say"),
    })
}

fn cert(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let left = told(&facts.certificate_ends)?.duration_since(facts.now);
    let text = if left.is_negative() {
        format!("ended {} ago", age(left))
    } else {
        format!("ends in {}", age(left))
    };
    let seconds = left.as_secs_f64();
    let measure = Measure::new(Unit::Seconds, seconds).against(&wanted.threshold);
    Ok(Verdict::new(wanted.threshold.judge(seconds), text).measured([measure]))
}
