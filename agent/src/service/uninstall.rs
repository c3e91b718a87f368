//! `agent uninstall`: takes away what `agent install` made, and with `--purge` what the agent has kept since.

use std::fs;

use super::steps::{self, What};
use super::systemd::{self, Service};
use super::{
    CONFIG_FOLDER, Fault, PROGRAM, STATE, UNIT, UNIT_FILE, USER, demand_root, is_packaged, say, user_exists,
};
use crate::cli;

/// Stops the service and takes it away.
///
/// # Errors
/// There is no systemd, this is not root, the agent came as a package, or a step failed.
pub fn uninstall(flags: cli::Uninstall) -> Result<(), Fault> {
    systemd::demand(systemd::TO_UNINSTALL)?;
    if !flags.dry_run {
        demand_root("uninstall")?;
    }
    let unit = fs::read_to_string(UNIT_FILE).ok();
    if unit.is_none() && is_packaged() {
        let verb = if flags.purge { "purge" } else { "remove" };
        return Err(format!(
            "this agent came as a package, which goes as one: apt-get {verb} rollcall-agent"
        ));
    }
    let is_known = unit.is_some() && Service::ask()?.is_known();
    // A program that was in its place before is not ours to remove.
    let is_copy = unit.as_ref().is_some_and(|unit| unit.contains(&format!("ExecStart={PROGRAM} ")));
    let mut steps = vec![
        What::Run(&["systemctl", "disable", "--now", UNIT]).when(is_known),
        What::Remove(UNIT_FILE).when_different(),
        What::Run(&["systemctl", "daemon-reload"]).when(unit.is_some()),
    ];
    if is_copy {
        steps.push(What::Remove(PROGRAM).when_different());
    }
    if flags.purge {
        steps.push(What::Remove(CONFIG_FOLDER).when_different());
        steps.push(What::Remove(STATE).when_different());
        steps.push(What::Run(&["userdel", USER]).when(user_exists()));
    }
    steps::take(&steps, flags.dry_run)?;
    if !flags.purge {
        say(&format!("{CONFIG_FOLDER}, {STATE} and the user {USER} stay; --purge takes them as well."));
    }
    Ok(())
}
