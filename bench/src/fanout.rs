//! Many hosts asked with one command: whole processes against a simulated fleet, in turns with the least that the same handshakes
//! and exchanges could cost. Client and fleet share the machine.

mod beside;
mod far;
mod faults;
mod ground;
mod lookup;

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use bench::{Error, street};

use self::ground::{CHECK, Ground, UPTIME};
use crate::fleet::Fleet;
use crate::oneshot::{Shot, one, ratios, shoot};
use crate::report::{Aim, Report};
use crate::samples::Samples;
use crate::{Effort, proc};

/// A peak differs by half a MiB from run to run.
const PEAKS: usize = 5;

/// Often enough to see a program just before it ends.
const GLANCE: Duration = Duration::from_millis(2);

pub(crate) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let [few, many] = effort.hosts;
    let ground = Ground::prepare(fleet, "well", many, &[])?;
    let mut table = format!(
        "### Many hosts\n\n{} rounds in turns. Each host is a connection, a handshake and an exchange. The floor asks 256 at a time. Client and \
         fleet are one thread each on the same processors.\n\n\
         | hosts | program | hosts/s | processor ms a host | peak RSS MiB |\n|---|---|---|---|---|",
        effort.turns
    );
    let small = of(&ground, few, effort.turns, report, &mut table)?;
    let large = of(&ground, many, effort.turns, report, &mut table)?;
    report.detail(table);
    let what = format!("growth of streamed `uptime` from {few} to {many} hosts, peak memory");
    one(report, &what, Aim::AtMost(1.0), large - small, " MiB")?;
    lookup::measure(&ground, effort, report)?;
    beside::measure(&ground, effort, report)?;
    drop(ground);
    far::measure(fleet, effort, report)?;
    faults::measure(fleet, effort, report)
}

/// A program that asks the fleet.
struct Program {
    what: &'static str,
    command: Command,
    /// Its place in the list, where it is not one itself.
    floor: Option<usize>,
    streams: bool,
}

/// Asks so many hosts in every way. What `uptime` needs at its peak when it streams, in MiB.
fn of(
    ground: &Ground<'_>,
    count: usize,
    rounds: usize,
    report: &mut Report,
    table: &mut String,
) -> Result<f64, Error> {
    let mut programs = programs(ground, count)?;
    let mut shots: Vec<Vec<Shot>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (program, shots) in programs.iter_mut().zip(&mut shots) {
            shots.push(shoot(&mut program.command)?);
        }
    }
    let mut streaming = None;
    for (at, Program { what, command, floor, streams }) in programs.iter_mut().enumerate() {
        let peaks =
            (0..PEAKS).map(|_| Ok(peak_kib(command)? as f64 / 1024.0)).collect::<Result<_, Error>>()?;
        let peaks = Samples::new(peaks).ok_or("no rounds")?;
        let peak = peaks.median();
        *table += &format!("{} {peak:.1} |", row(count, what, &shots[at])?);
        let Some(floor) = *floor else { continue };
        let name = format!("{what}, {count} hosts");
        let rate = ratios(&shots[floor], &shots[at], |shot| shot.wall)?;
        report.compare(&format!("{name}: hosts per second over floor"), Aim::AtLeast(0.8), &rate, "x");
        let cpu = ratios(&shots[at], &shots[floor], |shot| shot.cpu)?;
        report.compare("the same, processor time", Aim::AtMost(1.25), &cpu, "x");
        if *streams {
            report.compare("the same, peak memory (RSS)", Aim::AtMost(16.0), &peaks, " MiB");
            streaming = streaming.or(Some(peak));
        }
    }
    streaming.ok_or_else(|| "nothing streams".into())
}

fn programs(ground: &Ground<'_>, count: usize) -> Result<[Program; 7], Error> {
    let range = street::selection(count, ground.port());
    let (here, known) = (ground.home_knowing(0)?, ground.home_knowing(count)?);
    let floor =
        |what, asks| Program { what, command: ground.floor(asks, count), floor: None, streams: false };
    let ours = |what, words: &[&str], floor| Program {
        what,
        command: ground.controller(&here, &[words, &[&range]].concat()),
        floor: Some(floor),
        streams: words.contains(&"jsonl"),
    };
    let by_name = Program {
        what: "`uptime @*`, table",
        command: ground.controller(&known, &["uptime", "@*"]),
        floor: Some(0),
        streams: false,
    };
    // Whoever asks with all of a processor waits for his own turn too, which is no fault of the hosts.
    let check = ["check", "--latency", "1m", "--clock", "1m"];
    Ok([
        floor("floor of `uptime`", UPTIME),
        ours("`uptime`, streamed", &["uptime", "--output", "jsonl"], 0),
        ours("`uptime`, table", &["uptime"], 0),
        by_name,
        floor("floor of `check`", CHECK),
        ours("`check`, streamed", &[&check[..], &["--output", "jsonl"]].concat(), 4),
        ours("`check`, table", &check, 4),
    ])
}

/// Without its memory.
fn row(count: usize, what: &str, shots: &[Shot]) -> Result<String, Error> {
    let hosts = count as f64;
    let samples = |numbers: &mut dyn Iterator<Item = f64>| Samples::new(numbers.collect()).ok_or("no rounds");
    let rate = samples(&mut shots.iter().map(|shot| hosts * 1e3 / shot.wall))?;
    let cpu = samples(&mut shots.iter().map(|shot| shot.cpu / hosts))?;
    Ok(format!("\n| {count} | {what} | {rate:.0} | {cpu:.3} |"))
}

/// Two in turns; the first round warms up.
fn rounds(mut commands: [Command; 2], rounds: usize) -> Result<[Vec<Shot>; 2], Error> {
    let mut shots = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (command, shots) in commands.iter_mut().zip(&mut shots) {
            let shot = shoot(command)?;
            if round > 0 {
                shots.push(shot);
            }
        }
    }
    Ok(shots)
}

/// The most memory that a program held while it ran.
fn peak_kib(command: &mut Command) -> Result<u64, Error> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        // Between its end and the next look there is nothing more to see.
        peak = proc::kib(child.id(), "VmHWM").unwrap_or(peak);
        sleep(GLANCE);
    }
    Ok(peak)
}
