//! The agent as a service of the machine: put there, taken away and looked at by the machine's owner. Nothing here runs
//! while an agent serves.

mod command;
mod install;
mod listeners;
mod status;
mod steps;
mod systemd;
mod uninstall;
mod unit;

pub use install::install;
pub use status::status;
pub use uninstall::uninstall;

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

/// What cannot be done, and what to do.
type Fault = String;

/// As whom the agent runs.
const USER: &str = "rollcall";
const UNIT: &str = "rollcall-agent.service";
const UNIT_FILE: &str = "/etc/systemd/system/rollcall-agent.service";
/// Where a package puts the unit, which it then owns.
const PACKAGED_UNITS: [&str; 2] =
    ["/usr/lib/systemd/system/rollcall-agent.service", "/lib/systemd/system/rollcall-agent.service"];
const STATE: &str = "/var/lib/rollcall";
const CONFIG_FOLDER: &str = "/etc/rollcall";
const CONFIG_FILE: &str = "/etc/rollcall/agent.toml";
/// Where a program that was started from elsewhere is copied to.
const PROGRAM: &str = "/usr/local/bin/agent";

fn is_packaged() -> bool {
    PACKAGED_UNITS.iter().any(|unit| Path::new(unit).exists())
}

fn demand_root(doing: &str) -> Result<(), Fault> {
    if geteuid().is_root() {
        return Ok(());
    }
    Err(format!("{doing} changes the whole machine, and only root may do that: type `sudo agent {doing}`"))
}

/// Whether the user exists, wherever this machine keeps its users.
fn user_exists() -> bool {
    let asked = Command::new("getent").args(["passwd", USER]).stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Results go to standard output; nobody is left to complain to when that is closed.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
