//! The unit, as the package has it, and fitted to a machine.

use std::path::Path;

const TEXT: &str = include_str!("../../../packaging/rollcall-agent.service");

/// The configuration that a machine gets first.
pub(super) const CONFIG: &str = include_str!("../../../packaging/agent.toml");

/// From this version on, systemd tells the agent itself to reload, and waits until it has.
const RELOADS: u32 = 253;

/// The unit for a program in this place, under this version of systemd.
pub(super) fn text(program: &Path, systemd: u32) -> String {
    let start = format!("ExecStart={} run", program.display());
    let lines = TEXT.lines().filter_map(|line| match line {
        "ExecStart=/usr/bin/agent run" => Some(start.as_str()),
        "Type=notify" if systemd >= RELOADS => Some("Type=notify-reload"),
        line if line.starts_with("ExecReload=") && systemd >= RELOADS => None,
        line => Some(line),
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_the_machine() {
        assert_eq!(text(Path::new("/usr/bin/agent"), 252), TEXT, "the package's suits the oldest");
        let newer = text(Path::new("/usr/local/bin/agent"), 257);
        assert!(
            newer.contains("\nType=notify-reload\nExecStart=/usr/local/bin/agent run\nWatchdogSec="),
            "{newer}"
        );
    }
}
