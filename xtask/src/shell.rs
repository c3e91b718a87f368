//! Other programs: run, listened to, and told of when they fail.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What went wrong, in words.
pub(crate) type Fault = String;

pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// A headline, as `.ci/run` has them.
pub(crate) fn step(text: &str) {
    say(&format!("\n== {text}"));
}

pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The folders of root's programs are not on everybody's path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|at| at.join(program).exists())
}

pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|user| user.trim() == "0")
}

/// Runs it where the workspace is, and lets it say what it says.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let mut command = command(words);
    let status = command.status().map_err(|error| format!("cannot run {}: {error}", words[0]))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", words.join(" "))) }
}

/// Runs it quietly, and returns what it prints; where it fails, that is the fault.
pub(crate) fn output(command: &mut Command) -> Result<String, Fault> {
    let ran = command.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } =
        ran.map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if status.success() { Ok(text) } else { Err(format!("{status}:\n{text}")) }
}

pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(crate::workspace());
    command
}

/// A path as a word of a command.
pub(crate) fn word(path: &Path) -> String {
    path.display().to_string()
}
