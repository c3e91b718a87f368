//! One question as a whole process: from starting `controller uptime` to its end.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bench::Error;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::fleet::{Fleet, run};
use crate::report::{Aim, Report};
use crate::samples::Samples;
use crate::{Effort, proc};

const WARM_UP: usize = 3;
/// What a pipe takes before a writer must wait.
const PIPE_BYTES: usize = 64 * 1024;

/// What one run took, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shot {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// Runs the programs in turns: A B C, A B C. One row of shots for each program.
pub(crate) fn in_turns(commands: &mut [Command], rounds: usize) -> Result<Vec<Vec<Shot>>, Error> {
    for command in commands.iter_mut() {
        run(command)?;
    }
    let mut shots = vec![Vec::with_capacity(rounds); commands.len()];
    for round in 0..WARM_UP + rounds {
        for (command, shots) in commands.iter_mut().zip(&mut shots) {
            let shot = shoot(command)?;
            if round >= WARM_UP {
                shots.push(shot);
            }
        }
    }
    Ok(shots)
}

/// Runs a program that must succeed, and takes its time.
pub(crate) fn shoot(command: &mut Command) -> Result<Shot, Error> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn()?;
    // Ended but not reaped: its numbers can still be read.
    let waited = waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    let wall = began.elapsed();
    let cpu = proc::ran(child.id());
    let status = child.wait()?;
    waited?;
    if !status.success() {
        return Err(format!("{:?} failed in the middle of measuring", command.get_program()).into());
    }
    Ok(Shot { wall: wall.as_secs_f64() * 1e3, cpu: cpu?.as_secs_f64() * 1e3 })
}

/// The ratios round by round, and then the numbers one by one.
pub(crate) fn ratios(over: &[Shot], under: &[Shot], of: impl Fn(&Shot) -> f64) -> Result<Samples, Error> {
    let ratios = over.iter().zip(under).map(|(over, under)| of(over) / of(under)).collect();
    Samples::new(ratios).ok_or_else(|| "no rounds".into())
}

/// One number of every shot.
pub(crate) fn numbers(shots: &[Shot], of: impl Fn(&Shot) -> f64) -> Result<Samples, Error> {
    Samples::new(shots.iter().map(of).collect()).ok_or_else(|| "no rounds".into())
}

/// The most memory a program held until it printed its answer: its standard output is a full pipe, so it stands still
/// there and can be looked at.
fn peak_kib(command: &mut Command) -> Result<u64, Error> {
    let (mut reader, mut writer) = io::pipe()?;
    writer.write_all(&vec![0; PIPE_BYTES])?;
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    let mut child = command.spawn()?;
    sleep(Duration::from_millis(200));
    let peak = proc::kib(child.id(), "VmHWM");
    // The command holds the pipe's other end; without this the reading would never end.
    command.stdout(Stdio::null());
    io::copy(&mut reader.by_ref(), &mut io::sink())?;
    child.wait()?;
    peak
}

pub(crate) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let _agent = fleet.agent()?;
    let mut commands = [fleet.ask_uptime(), fleet.ask_by_floor()];
    let shots = in_turns(&mut commands, effort.shots)?;
    let (ours, floor) = (&shots[0], &shots[1]);
    report.compare(
        "one-shot `controller uptime`, wall, over floor",
        Aim::AtMost(1.3),
        &ratios(ours, floor, |shot| shot.wall)?,
        "x",
    );
    report.compare("the same, processor time", Aim::AtMost(1.3), &ratios(ours, floor, |shot| shot.cpu)?, "x");
    let [ours_kib, floor_kib] = commands.each_mut().map(peak_kib);
    let (ours_mib, floor_mib) = (ours_kib? as f64 / 1024.0, floor_kib? as f64 / 1024.0);
    one(report, "the same, peak memory (RSS)", Aim::AtMost(6.0), ours_mib, " MiB")?;
    let size = |path: &Path| fs::metadata(path).map(|file| file.len() as f64 / 1e6);
    let programs = &fleet.programs;
    one(report, "size of `controller`", Aim::AtMost(5.0), size(&programs.controller)?, " MB")?;
    report.detail(format!(
        "### One-shot\n\n{} rounds in turns after {WARM_UP} to warm up; the ratio is taken round by round.\n\n\
         | program | wall ms | processor ms | peak RSS MiB | size MB |\n|---|---|---|---|---|\n\
         | `controller uptime` | {} | {} | {ours_mib:.1} | {:.2} |\n\
         | floor: blocking rustls client | {} | {} | {floor_mib:.1} | {:.2} |\n\
         | `agent` (serves) | | | | {:.2} |",
        effort.shots,
        numbers(ours, |shot| shot.wall)?,
        numbers(ours, |shot| shot.cpu)?,
        size(&programs.controller)?,
        numbers(floor, |shot| shot.wall)?,
        numbers(floor, |shot| shot.cpu)?,
        size(&programs.floor_oneshot)?,
        size(&programs.agent)?,
    ));
    Ok(())
}

/// A number that was taken once.
pub(crate) fn one(report: &mut Report, what: &str, aim: Aim, measured: f64, unit: &str) -> Result<(), Error> {
    let measured = Samples::new(vec![measured]).ok_or("no number")?;
    report.compare(what, aim, &measured, unit);
    Ok(())
}
