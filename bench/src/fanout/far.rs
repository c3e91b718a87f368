//! Many hosts that are far away: most of the time is on the way, and a window must be wide enough for it.

use bench::{Error, street};

use super::ground::{Ground, UPTIME};
use super::{rounds, row};
use crate::Effort;
use crate::fleet::Fleet;
use crate::oneshot::ratios;
use crate::report::{Aim, Report};

/// Rounds: most of each is waiting.
const ENOUGH: usize = 3;

pub(super) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let (count, turns) = (effort.hosts[1], effort.turns.min(ENOUGH));
    let ground = Ground::prepare(fleet, "far", count, &[format!("far={count}")])?;
    let home = ground.home_knowing(0)?;
    let range = street::selection(count, ground.port());
    let ours = ground.controller(&home, &["uptime", &range, "--output", "jsonl"]);
    let shots = rounds([ground.floor(UPTIME, count), ours], turns)?;
    let rate = ratios(&shots[0], &shots[1], |shot| shot.wall)?;
    let far = format!("{} to {} ms", street::FAR.start(), street::FAR.end());
    let what =
        format!("`uptime`, streamed, {count} hosts of which each takes {far}: hosts per second over floor");
    report.compare(&what, Aim::AtLeast(0.8), &rate, "x");
    report.detail(format!(
        "### Far away\n\n{turns} rounds in turns; each host waits {far} before it shakes hands.\n\n\
         | hosts | program | hosts/s | processor ms a host |\n|---|---|---|---|{}{}",
        row(count, "floor", &shots[0])?,
        row(count, "`uptime`, streamed", &shots[1])?,
    ));
    Ok(())
}
