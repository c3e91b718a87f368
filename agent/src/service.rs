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
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::cli::{Flags, StateFolder};
use crate::config::Config;
use crate::state::State;

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
/// For further declarations.
const CONFIG_MORE: &str = "/etc/rollcall/agent.d";
/// Where systemd puts an identity that it hands over.
const HANDED: &str = "/run/credentials/rollcall-agent.service/identity.bundle";
/// Where a program that was started from elsewhere is copied to.
const PROGRAM: &str = "/usr/local/bin/agent";

/// An identity that the service manager hands over to the service. The agent finds it by its environment, which a program that is
/// typed does not have.
pub fn handed_identity(state: &State) -> Option<PathBuf> {
    Some(PathBuf::from(HANDED)).filter(|file| state.path() == Path::new(STATE) && file.exists())
}

/// Whether this machine has what makes services.
pub(crate) fn is_possible() -> bool {
    systemd::is_here()
}

/// The file with the identity of the service.
fn identity_file(folder: &StateFolder) -> Result<PathBuf, Fault> {
    let asked = Flags { config: None, folder: folder.clone(), identity: None, listen: Vec::new(), log: None };
    let config = Config::decide(&asked)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let handed = handed_identity(&config.state).filter(|_| config.identity == config.state.identity_file());
    Ok(handed.unwrap_or(config.identity))
}

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
