//! Folders of good and bad files: each bad one says in its first lines what must be said of it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use agent::cli::{Cli, Verb};
use agent::config::{Config, Fault, Policy};
use clap::Parser;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn decide(file: &Path) -> Result<Config, Vec<Fault>> {
    let cli = Cli::parse_from(["agent", "check-config", "--config", file.to_str().unwrap()]);
    match cli.verb {
        Verb::CheckConfig(flags) => Config::decide(&flags),
        other => panic!("not `check-config`: {other:?}"),
    }
}

#[test]
fn good_files_are_taken() {
    for file in files("good") {
        decide(&file).unwrap_or_else(|faults| panic!("{faults:?}"));
    }
}

fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/agent.toml")
}

/// Lines that show what holds without them: `#key = value`. People write a space after `#`.
fn with_every_key(text: &str) -> String {
    let is_key = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase() || first == '"');
    text.lines().map(|line| line.strip_prefix('#').filter(is_key).unwrap_or(line).to_owned() + "\n").collect()
}

#[test]
fn the_file_that_a_machine_gets_says_every_key_as_it_is_by_default() {
    let text = fs::read_to_string(installed()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let decide_on = |text: &str| {
        let file = folder.path().join("agent.toml");
        fs::write(&file, text).unwrap();
        decide(&file)
    };
    let (plain, full) = (decide(&installed()).unwrap(), decide_on(&with_every_key(&text)).unwrap());
    assert_eq!(plain.policy, Policy { audit: plain.policy.audit.clone(), ..Policy::default() });
    assert_eq!((plain.listen, plain.identity, plain.log), (full.listen, full.identity, full.log));
    assert_eq!((plain.policy.limits, plain.policy.audit), (full.policy.limits, full.policy.audit));
    // Whoever writes a wrong key is told the right ones: they must all be there.
    let wrong = text.replace("[limits]\n", "qqqqqq = 1\n[limits]\nqqqqqq = 1\n");
    let wrong = wrong.replace("[audit]\n", "[audit]\nqqqqqq = 1\n");
    let faults = decide_on(&wrong).unwrap_err();
    assert_eq!(faults.len(), 3);
    for fault in faults {
        let (_, known) = fault.message.split_once("known here are ").unwrap();
        for key in known.split(", ") {
            let is_said = |line: &str| line.starts_with(&format!("{key} =")) || line == format!("[{key}]");
            assert!(with_every_key(&text).lines().any(is_said), "{key} is not in packaging/agent.toml");
        }
    }
}

#[test]
fn every_fault_of_a_bad_file_is_named() {
    for file in files("bad") {
        let expected: Vec<String> = fs::read_to_string(&file)
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("#! "))
            .map(|fault| format!("{}:{fault}", file.display()))
            .collect();
        assert!(!expected.is_empty(), "{} does not say what is wrong with it", file.display());
        let faults: Vec<String> = decide(&file).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(faults, expected, "{}", file.display());
    }
}

#[test]
fn a_file_says_every_limit() {
    let config = decide(&files("good")[0]).unwrap();
    let shown = format!("{:?}", config.policy.limits);
    assert_eq!(
        shown,
        "Limits { unverified: 1, connections: 2, connections_per_identity: 3, requests_in_flight: 4, \
         requests_in_flight_per_identity: 44, \
         programs: 45, frame_bytes: 5120, handshake: 6s, rest_of_frame: 7s, idle: 8s, write: 9s, drain: 10s }"
    );
    let audit = format!("{:?}", config.policy.audit);
    let state = "folder: Some(\"/var/lib/rollcall/audit\")";
    assert_eq!(audit, format!("Recording {{ {state}, rotate_bytes: 65536, keep: 3, when_broken: Refuse }}"));
    assert_eq!(config.listen, ["0.0.0.0:7000".parse().unwrap(), "[::1]:5669".parse().unwrap()]);
}

#[test]
fn what_is_no_text_or_far_too_long_or_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    let fault = || decide(&file).unwrap_err()[0].to_string();
    assert!(fault().contains("cannot be read"), "{}", fault());
    fs::write(&file, b"log = \"info\"\n\xff").unwrap();
    assert!(fault().ends_with("line 2 is not UTF-8 text"), "{}", fault());
    fs::write(&file, vec![b'#'; 2 << 20]).unwrap();
    assert!(fault().contains("a configuration has at most"), "{}", fault());
}

#[tokio::test]
async fn every_address_of_both_kinds_on_one_port() {
    // Whoever has the port on all addresses shows that it is free.
    let Ok(free) = TcpListener::bind("[::]:0") else { return };
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (any4, any6) = (format!("0.0.0.0:{port}"), format!("[::]:{port}"));
    let words = ["agent", "check-config", "--listen", &any4, "--listen", &any6];
    let Verb::CheckConfig(flags) = Cli::parse_from(words).verb else { panic!("not `check-config`") };
    let listeners = agent::listen(&Config::decide(&flags).unwrap()).unwrap();
    assert_eq!(listeners.len(), 2);
}
