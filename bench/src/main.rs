//! Measures the product beside floors and peers, all in one run, and prints a report in Markdown.
//!
//! A machine's speed drifts by a third within minutes, so an absolute number says little. What is compared runs in
//! turns, and the ratio is what counts.

mod checks;
mod fanout;
mod fleet;
mod idle;
mod info;
mod interrupt;
mod load;
mod machine;
mod memory;
mod oneshot;
mod peers;
mod proc;
mod programs;
mod report;
mod samples;
mod server;
mod throughput;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread::park;
use std::time::Duration;

use bench::Error;
use clap::{Parser, ValueEnum};
use tempfile::TempDir;

use fleet::Fleet;
use machine::{Machine, UNDISTURBED, Watch};
use programs::Programs;
use report::Report;

/// Measure Rollcall beside the least that the same work could cost, and beside what it replaces.
#[derive(Debug, Parser)]
struct Options {
    /// Few rounds, to see that everything works; its numbers mean little.
    #[arg(long)]
    quick: bool,
    /// Measure only these; may be given more than once.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<Scenario>,
    /// Measure the programs in this folder as they are, instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// One file each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    Oneshot,
    Throughput,
    Memory,
    Info,
    Peers,
    Checks,
    Fanout,
    Idle,
}

impl Scenario {
    fn measure(self, fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
        match self {
            Scenario::Oneshot => oneshot::measure(fleet, effort, report),
            Scenario::Throughput => throughput::measure(fleet, effort, report),
            Scenario::Memory => memory::measure(fleet, effort, report),
            Scenario::Info => info::measure(fleet, effort, report),
            Scenario::Peers => peers::measure(fleet, effort, report),
            Scenario::Checks => checks::measure(fleet, effort, report),
            Scenario::Fanout => fanout::measure(fleet, effort, report),
            Scenario::Idle => idle::measure(fleet, effort, report),
        }
    }
}

/// How much to do; bounded in count and time.
struct Effort {
    /// Whole processes, one after the other in turns.
    shots: usize,
    /// Turns of load on two servers.
    turns: usize,
    /// How long each of them lasts.
    span: Duration,
    /// Connections held open.
    held: usize,
    /// Hosts that are asked with one command, few and many.
    hosts: [usize; 2],
    /// How long an agent must do nothing.
    idle: Duration,
    /// Whether to wait for a quiet machine.
    patient: bool,
}

impl Effort {
    fn of(options: &Options) -> Effort {
        if options.quick {
            Effort {
                shots: 5,
                turns: 1,
                span: Duration::from_millis(300),
                held: 500,
                hosts: [250, 1_000],
                idle: Duration::from_secs(5),
                patient: false,
            }
        } else {
            Effort {
                shots: 60,
                turns: 5,
                span: Duration::from_secs(1),
                held: 5_000,
                hosts: [1_000, 10_000],
                idle: Duration::from_secs(60),
                patient: true,
            }
        }
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    if cfg!(debug_assertions) {
        return Err("this build is not optimised; use `cargo run --release -p bench`".into());
    }
    let programs = match &options.programs {
        Some(folder) => Programs::found_in(folder)?,
        None => Programs::build()?,
    };
    let folder = TempDir::with_prefix("rollcall-bench-")?;
    let interrupted = interrupt::clean_up(folder.path())?;
    let report = measure(options, &programs, folder.path());
    while interrupted.load(Ordering::SeqCst) {
        // Another thread is cleaning up, and then ends this program.
        park();
    }
    io::stdout().write_all(report?.markdown()?.as_bytes())?;
    Ok(())
}

fn measure(options: &Options, programs: &Programs, folder: &Path) -> Result<Report, Error> {
    let effort = Effort::of(options);
    let fleet = Fleet::make(programs, folder)?;
    let mut report = Report::new(Machine::look()?, options.quick);
    if effort.patient {
        machine::wait_for_quiet(&mut report)?;
    }
    for scenario in Scenario::value_variants() {
        if options.only.is_empty() || options.only.contains(scenario) {
            take(*scenario, &fleet, &effort, &mut report)?;
        } else {
            report.not_measured(&format!("{scenario:?}"), "left out with --only");
        }
    }
    Ok(report)
}

/// Measures one scenario, and tells whether others worked on the machine meanwhile.
fn take(scenario: Scenario, fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    if effort.patient {
        machine::wait_for_others()?;
    }
    say(&format!("measuring: {scenario:?}"));
    let watch = Watch::begin()?;
    if let Err(error) = scenario.measure(fleet, effort, report) {
        report.not_measured(&format!("{scenario:?}"), &error.to_string());
    }
    let others = watch.others()?;
    let what =
        if others > UNDISTURBED { "**others worked meanwhile: do not trust it**" } else { "undisturbed" };
    report.remark(&format!("{scenario:?}: {what} (others used {:.0} % of the processors).", others * 100.0));
    Ok(())
}

/// Progress goes to standard error, so that standard output holds the report and nothing else.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
