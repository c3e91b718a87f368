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
    let load = load()?;
    report.remark(&format!("Load when measuring began: {load}."));
    if load > QUIET {
        report.remark("**The machine did not become quiet: other work is in these numbers.**");
    }
    Ok(())
}
