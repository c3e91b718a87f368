//! The first thing a newcomer runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::site::{controller, text};

#[test]
fn the_demo_shows_everything_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = controller(folder.path(), &["demo"]).env("TMPDIR", folder.path()).output().unwrap();
    let shown = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    for line in
        ["$ controller init", "$ controller info demo", "$ controller uptime demo", "$ controller time demo"]
    {
        assert!(shown.lines().any(|shown| shown == line), "no {line:?} in {shown}");
    }
    assert!(shown.contains("$ controller echo demo hello\nhello\n"), "{shown}");
    assert!(shown.contains("controller adopt ADDRESS"), "{shown}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_kept_demo_can_be_tried_and_ends_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let mut demo = controller(folder.path(), &["demo", "--keep"]);
        let mut demo = demo.env("TMPDIR", folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
        let pasted = lines.find(|line| line.contains(" uptime demo")).unwrap();
        lines.find(|line| line.contains("The agent is still running, and its home is ")).unwrap();
        let words: Vec<&str> = pasted.trim_start_matches("$ ").split(' ').collect();
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        kill_process(Pid::from_child(&demo), signal).unwrap();
        assert_eq!(demo.wait().unwrap().code(), Some(0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
