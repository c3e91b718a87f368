//! What systemd is asked and told.

use std::collections::HashMap;
use std::path::Path;

use super::{Fault, UNIT, command};

/// systemd makes this folder when it is what started the machine.
const RUNNING: &str = "/run/systemd/system";

/// How it is put there by hand.
pub(super) const TO_INSTALL: &str = "  To have the agent run here, with whatever starts programs on this machine:
    1. copy this program to /usr/local/bin/agent
    2. make a user for it:      useradd --system --user-group --no-create-home --shell /usr/sbin/nologin rollcall
    3. make its folder:         install -d -m 0700 -o rollcall -g rollcall /var/lib/rollcall
    4. let that user run:       agent run --listen 0.0.0.0:5669
    5. when it runs, as root:   agent code";

/// How it is taken away by hand.
pub(super) const TO_UNINSTALL: &str = "  To take away what was put here by hand:
    1. end the agent, and what starts it
    2. remove its program, which is /usr/local/bin/agent if you copied it there
    3. for good, also its identity, configuration and user:   rm -r /var/lib/rollcall /etc/rollcall; userdel rollcall";

pub(super) fn is_here() -> bool {
    Path::new(RUNNING).is_dir()
}

/// Whoever has no systemd reads what to do without.
pub(super) fn demand(by_hand: &str) -> Result<(), Fault> {
    if is_here() {
        return Ok(());
    }
    Err(format!(
        "there is no systemd on this machine ({RUNNING} is missing), so nothing was changed.\n{by_hand}"
    ))
}

/// What systemd knows of the service.
pub(super) struct Service(HashMap<String, String>);

impl Service {
    pub(super) fn ask() -> Result<Service, Fault> {
        let told = command::output(&["systemctl", "show", UNIT])?;
        let pairs = told.lines().filter_map(|line| line.split_once('='));
        Ok(Service(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()))
    }

    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(super) fn is_known(&self) -> bool {
        self.get("LoadState") == "loaded"
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.get("UnitFileState") == "enabled"
    }

    pub(super) fn process(&self) -> Option<u32> {
        self.get("MainPID").parse().ok().filter(|process| *process != 0)
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.get("ActiveState"), "active" | "reloading")
    }
}

/// The newest lines of the service in the journal; `more` chooses among them.
pub(super) fn journal(more: &[&str]) -> Result<String, Fault> {
    let words =
        ["journalctl", "--unit", UNIT, "--quiet", "--no-pager", "--output", "short-iso", "--lines", "5"];
    command::output(&[&words, more].concat())
}
