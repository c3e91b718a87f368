//! Checks of the machine as a whole: memory, load, how long it is up, who is there.

use protocol::requests::check::State;
use protocol::requests::info::Section;

use super::{Check, Need, When};
use crate::health::facts::{Facts, Told};
use crate::health::finding::{Measure, Verdict};
use crate::health::plan::Wanted;
use crate::health::range::Bare;
use crate::health::threshold::Scale;
use crate::health::unit::Unit;
use crate::output::human::{age_of_seconds, bytes, ratio};

pub(super) const MEMORY: Check = Check {
    name: "memory",
    sentence: "The share of memory in use that cannot be had back; a share alone is the most that is well.",
    scale: Some(Scale { unit: Unit::Percent, bare: Bare::AtMost, standard: "90%,95%" }),
    when: When::Always,
    need: Need::Section(Section::Memory),
    judge: memory,
};

pub(super) const SWAP: Check = Check {
    name: "swap",
    sentence: "The share of swap in use; a share alone is the most that is well. Without swap all is well.",
    scale: Some(Scale { unit: Unit::Percent, bare: Bare::AtMost, standard: "50%,90%" }),
    when: When::Always,
    need: Need::Section(Section::Memory),
    judge: swap,
};

pub(super) const LOAD: Check = Check {
    name: "load",
    sentence: "The load of five minutes for each core; a number alone is the most that is well.",
    scale: Some(Scale { unit: Unit::Count, bare: Bare::AtMost, standard: "2,4" }),
    when: When::Always,
    need: Need::Section(Section::Cpu),
    judge: load,
};

pub(super) const UPTIME: Check = Check {
    name: "uptime",
    sentence: "The time since the machine started; a time alone is the least that is well.",
    scale: Some(Scale { unit: Unit::Seconds, bare: Bare::AtLeast, standard: "10m" }),
    when: When::Always,
    need: Need::Section(Section::System),
    judge: uptime,
};

pub(super) const USERS: Check = Check {
    name: "users",
    sentence: "How many users' sessions there are; a number alone is the most that is well.",
    scale: Some(Scale { unit: Unit::Count, bare: Bare::AtMost, standard: "20,50" }),
    when: When::OnDemand,
    need: Need::Section(Section::Users),
    judge: users,
};

fn memory(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let memory = facts.section(|machine| machine.memory.as_ref())?;
    if memory.total_bytes == 0 {
        return Err("the machine says that it has no memory".to_owned());
    }
    Ok(share(memory.used_bytes, memory.total_bytes, wanted))
}

fn swap(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let memory = facts.section(|machine| machine.memory.as_ref())?;
    if memory.swap_total_bytes == 0 {
        return Ok(Verdict::new(State::Ok, "none"));
    }
    Ok(share(memory.swap_used_bytes, memory.swap_total_bytes, wanted))
}

fn share(used: u64, total: u64, wanted: &Wanted) -> Verdict {
    let percent = ratio(used, total) * 100.0;
    let text = format!("{percent:.0} % used, {} of {}", bytes(used), bytes(total));
    let measure = Measure::new(Unit::Percent, percent).against(&wanted.threshold);
    Verdict::new(wanted.threshold.judge(percent), text).measured([measure])
}

fn load(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let cpu = facts.section(|machine| machine.cpu.as_ref())?;
    if cpu.logical_cores == 0 {
        return Err("the machine does not say how many cores it has".to_owned());
    }
    #[expect(clippy::cast_precision_loss, reason = "no machine has so many cores")]
    let cores = cpu.logical_cores as f64;
    let [one, five, fifteen] = cpu.load.map(|load| load / cores);
    let measure = |label, load| Measure::new(Unit::Count, load).labelled(label).at_least(0.0);
    let measures =
        [measure("1min", one), measure("5min", five).against(&wanted.threshold), measure("15min", fifteen)];
    let text = format!("{five:.2} a core");
    Ok(Verdict::new(wanted.threshold.judge(five), text).measured(measures))
}

fn uptime(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let seconds = facts.section(|machine| machine.system.as_ref())?.uptime_seconds;
    let measure = Measure::new(Unit::Seconds, seconds).against(&wanted.threshold).at_least(0.0);
    let text = format!("started {} ago", age_of_seconds(seconds));
    Ok(Verdict::new(wanted.threshold.judge(seconds), text).measured([measure]))
}

fn users(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    #[expect(clippy::cast_precision_loss, reason = "no machine has so many users")]
    let count = facts.section(|machine| machine.users.as_ref())?.len() as f64;
    let measure = Measure::new(Unit::Count, count).against(&wanted.threshold).at_least(0.0);
    let text = if count == 1.0 { "1 session".to_owned() } else { format!("{count} sessions") };
    Ok(Verdict::new(wanted.threshold.judge(count), text).measured([measure]))
}
