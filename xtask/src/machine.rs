//! A machine that is booted from the tree, with a systemd of its own. What it writes is gone when it ends.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::shell::{Fault, output, word};

const BOOTS_WITHIN: Duration = Duration::from_secs(60);
/// A script waits for watchdogs and restarts; none of them takes minutes.
const ENDS_WITHIN: &str = "180";

/// Where the machine finds what is tested.
pub(crate) const SHARE: &str = "/mnt";

/// Ended when dropped.
pub(crate) struct Machine {
    nspawn: Child,
    leader: String,
}

impl Machine {
    pub(crate) fn boot(tree: &Path, share: &Path) -> Result<Machine, Fault> {
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn.args([
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--volatile=overlay",
        ]);
        nspawn.args(["--private-network", "--machine=rollcall-test", "--hostname=rollcall-test"]);
        // Else the sandbox of the agent itself would not be tested.
        nspawn.arg("--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self");
        nspawn.arg(format!("--bind-ro={}:{SHARE}", word(share))).arg("--directory").arg(tree);
        nspawn.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let nspawn = nspawn.spawn().map_err(|error| format!("systemd-nspawn: {error}"))?;
        let mut machine = Machine { nspawn, leader: String::new() };
        let until = Instant::now() + BOOTS_WITHIN;
        while Instant::now() < until {
            if let Ok(Some(ended)) = machine.nspawn.try_wait() {
                return Err(format!("systemd-nspawn ended with {ended}"));
            }
            machine.leader = child_of(machine.nspawn.id()).unwrap_or_default();
            if machine.is_up() {
                return Ok(machine);
            }
            sleep(Duration::from_millis(100));
        }
        Err("the machine did not come up".to_owned())
    }

    fn is_up(&self) -> bool {
        let state = self.enter(&["systemctl", "is-system-running"]);
        let state = if self.leader.is_empty() { Err(String::new()) } else { output(&mut { state }) };
        let (Ok(state) | Err(state)) = state;
        state.contains("running") || state.contains("degraded")
    }

    /// A command that runs in there.
    fn enter(&self, words: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args([ENDS_WITHIN, "nsenter", "--all", "--target", &self.leader]).args(words);
        command
    }

    /// Runs a script of the share, which says each of its commands, and where it fails returns all that it said.
    pub(crate) fn run(&self, script: &str, words: &[&str]) -> Result<String, Fault> {
        let script = format!("{SHARE}/{script}");
        output(self.enter(&[&["sh", "-eux", &script], words].concat()).env_clear().envs(ENVIRONMENT))
    }
}

/// What a login of root's has.
pub(crate) const ENVIRONMENT: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
];

/// systemd, as which the machine's first process runs.
fn child_of(parent: u32) -> Option<String> {
    let is_child = |stat: &str| {
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok().filter(|of: &u32| *of == parent)
    };
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        is_child(&stat).and_then(|_| process.file_name().into_string().ok())
    })
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It shuts down and cleans up after itself; killing it outright would leave its files behind.
        let _ = output(Command::new("kill").arg(self.nspawn.id().to_string()));
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && matches!(self.nspawn.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(50));
        }
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }
}
