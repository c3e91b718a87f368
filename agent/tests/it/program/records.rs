//! What it leaves in the audit log, whatever ends it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use rustix::process::Signal;

use super::{Running, agent, said};

/// Writing past a limit is an error like a full disk, and needs no rights to try.
#[test]
fn a_log_that_cannot_grow_is_told_and_goes_on_when_it_can() {
    let mut agent = Running::start(&["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=100:unlimited"], &[]);
    let line = agent.line("the audit log cannot be written");
    assert!(line.contains("requests are answered all the same") && line.contains("File too large"), "{line}");
    let pid = agent.child.id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(raised.success());
    agent.line("the audit log can be written again");
    agent.signal(Signal::TERM);
    agent.end();
    let state = agent.folder.path().join("state");
    let output = super::agent(&["audit", "verify", "--state", state.to_str().unwrap()]);
    let whole = said(&output.stdout, agent.folder.path());
    assert!(whole.starts_with("whole: records 1 to 2 (2) in 1 file, from "), "{whole}");
}

#[test]
fn after_kill_the_log_goes_on_and_a_cut_is_named() {
    let mut agent = Running::start(&[], &[]);
    let address = agent.address();
    let mut stranger = TcpStream::connect(&address).unwrap();
    stranger.write_all(b"hello\r\n\r\n").unwrap();
    let _ = stranger.read_to_end(&mut Vec::new());
    let log = agent.folder.path().join("state/audit/current.jsonl");
    while fs::read_to_string(&log).unwrap().matches('\n').count() < 2 {
        std::thread::yield_now();
    }
    agent.signal(Signal::KILL);
    agent.child.wait().unwrap();
    let verify = || super::agent(&["audit", "verify", log.to_str().unwrap()]);
    assert_eq!(verify().status.code(), Some(0));
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("\"event\":\"started\"") && text.contains("it does not speak TLS"), "{text}");
    fs::write(&log, &text[..text.len() - 9]).unwrap();
    let output = verify();
    assert_eq!(output.status.code(), Some(1));
    let named = said(&output.stderr, agent.folder.path());
    assert!(
        named.starts_with("agent: [folder]/state/audit/current.jsonl:2: record 2: it was cut short: "),
        "{named}"
    );
}

#[test]
fn without_records_there_is_nothing_to_verify() {
    let folder = tempfile::tempdir().unwrap();
    let output = agent(&["audit", "verify", "--state", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output.stderr, folder.path()),
        "agent: [folder]/audit: cannot be read: No such file or directory (os error 2)\n"
    );
}
