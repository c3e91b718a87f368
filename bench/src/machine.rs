//! What was measured on, and whether it was busy.

use std::fs;
use std::process::Command;
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use bench::Error;
use rustix::system::uname;

use crate::report::Report;
use crate::say;

/// Above this, other work is in the numbers.
const QUIET: f64 = 1.0;
/// What the processors do of themselves, as a share. Undisturbed scenarios were found at 0 to 2 %; one of 5 % had a
/// burst in it that halved the rates of its last rows.
pub(crate) const UNDISTURBED: f64 = 0.03;
const PATIENCE: Duration = Duration::from_secs(300);

/// A machine in a few words.
pub(crate) struct Machine {
    pub(crate) words: String,
}

impl Machine {
    /// Looks at this one.
    pub(crate) fn look() -> Result<Machine, Error> {
        let of = |path: &str, key: &str, separator: char| -> String {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_once(separator).map_or("?", |(_, value)| value).trim().trim_matches('"').to_owned()
        };
        let virtual_machine = fs::read_to_string("/proc/cpuinfo")?.contains(" hypervisor");
        let kernel = uname();
        let compiler = Command::new("rustc").arg("--version").output()?;
        let words = format!(
            "{} {} cores of {}, {}, Linux {}, {}, memory {}",
            available_parallelism()?,
            if virtual_machine { "virtual" } else { "physical" },
            of("/proc/cpuinfo", "model name", ':'),
            of("/etc/os-release", "PRETTY_NAME", '='),
            kernel.release().to_string_lossy(),
            String::from_utf8_lossy(&compiler.stdout).trim(),
            of("/proc/meminfo", "MemTotal", ':'),
        );
        Ok(Machine { words })
    }
}

/// Runnable tasks over the last minute.
pub(crate) fn load() -> Result<f64, Error> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// Waits for other work to end, with patience but not for ever; the report says how it went.
pub(crate) fn wait_for_quiet(report: &mut Report) -> Result<(), Error> {
    let began = Instant::now();
    while load()? > QUIET && began.elapsed() < PATIENCE {
        say(&format!("waiting for a quiet machine; load {}", load()?));
        sleep(Duration::from_secs(10));
    }
    report.remark(&format!("Load when measuring began: {}.", load()?));
    Ok(())
}

/// From here on, how much of the processors others use. The load average cannot tell that: most of it is our own.
pub(crate) struct Watch {
    busy: u64,
    all: u64,
    own: u64,
}

impl Watch {
    pub(crate) fn begin() -> Result<Watch, Error> {
        let (busy, all) = busy_and_all()?;
        Ok(Watch { busy, all, own: own_ticks()? })
    }

    /// The share of all processors that others used since then. Servers of ours that still run count as others.
    pub(crate) fn others(&self) -> Result<f64, Error> {
        let now = Watch::begin()?;
        let others = (now.busy - self.busy).saturating_sub(now.own - self.own);
        Ok(others as f64 / (now.all - self.all).max(1) as f64)
    }
}

/// Waits until others leave the processors alone, with patience but not for ever.
pub(crate) fn wait_for_others() -> Result<(), Error> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let watch = Watch::begin()?;
        sleep(Duration::from_secs(1));
        let busy = watch.others()?;
        if busy <= UNDISTURBED {
            break;
        }
        say(&format!("waiting for others, who use {:.0} % of the processors", busy * 100.0));
        sleep(Duration::from_secs(5));
    }
    Ok(())
}

/// What this program and all its children that have ended have used.
fn own_ticks() -> Result<u64, Error> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_ascii_whitespace().skip(11).take(4);
    Ok(times.map(str::parse::<u64>).sum::<Result<u64, _>>()?)
}

/// Ticks since boot: busy, and all. Stolen ones count as busy.
fn busy_and_all() -> Result<(u64, u64), Error> {
    let text = fs::read_to_string("/proc/stat")?;
    let line =
        text.lines().next().and_then(|line| line.strip_prefix("cpu ")).ok_or("/proc/stat has no cpu line")?;
    let ticks: Vec<u64> = line.split_ascii_whitespace().take(8).map(str::parse).collect::<Result<_, _>>()?;
    let all = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Ok((all - idle, all))
}
