//! One host among many that are known: what a long list adds to a short command.

use bench::{Error, street};

use super::ground::Ground;
use crate::Effort;
use crate::oneshot::{in_turns, numbers};
use crate::report::{Aim, Report};
use crate::samples::Samples;

const KNOWN: usize = 20_000;

pub(super) fn measure(ground: &Ground<'_>, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let first = street::name(0);
    let homes = [ground.home_knowing(KNOWN)?, ground.home_knowing(1)?];
    let mut commands = homes.map(|home| ground.controller(&home, &["uptime", &first]));
    let shots = in_turns(&mut commands, effort.shots)?;
    let (long, short) = (&shots[0], &shots[1]);
    let added = long.iter().zip(short).map(|(long, short)| long.wall - short.wall).collect();
    let added = Samples::new(added).ok_or("no rounds")?;
    let what = format!("`uptime` of one by its name: what {KNOWN} known hosts add");
    report.compare(&what, Aim::AtMost(5.0), &added, " ms");
    report.detail(format!(
        "### One host of many\n\n{} rounds in turns. Wall ms with 1 known: {}; with {KNOWN}: {}.",
        effort.shots,
        numbers(short, |shot| shot.wall)?,
        numbers(long, |shot| shot.wall)?,
    ));
    Ok(())
}
