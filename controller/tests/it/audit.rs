//! The audit log as a person at the desk meets it: shown, noted, and missed when it was cut.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use agent::audit::{Recording, verify};
use agent::config::Policy;
use agent::permissions::{Permissions, Rule};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::{Site, text};

/// A site whose agent records, and its state folder.
pub(crate) fn site() -> (Site, TempDir) {
    let state = tempfile::tempdir().unwrap();
    let rule = Rule { who: "alice".parse().unwrap(), what: vec!["audit".parse().unwrap()] };
    let policy = Policy {
        permissions: Permissions { allow: vec![rule], deny: vec![] },
        audit: Recording { folder: Some(state.path().join("audit")), ..Recording::default() },
        ..Policy::default()
    };
    (Site::with_policy(policy).0, state)
}

pub(crate) fn noted(site: &Site) -> Value {
    serde_json::from_slice(&fs::read(site.home().join("receipts/web-1.json")).unwrap()).unwrap()
}

/// Pretends that something else was noted last time.
pub(crate) fn note(site: &Site, n: u64, hash: &Value) {
    let receipt = json!({"n": n, "hash": hash, "seen": "2026-01-02T03:04:05Z"});
    fs::write(site.home().join("receipts/web-1.json"), receipt.to_string()).unwrap();
}

/// Puts other words of the same length in the place of the first of these: the agent may be writing behind them.
pub(crate) fn change(log: &Path, words: &str, others: &str) {
    let at = fs::read_to_string(log).unwrap().find(words).unwrap();
    assert_eq!(words.len(), others.len());
    File::options().write(true).open(log).unwrap().write_all_at(others.as_bytes(), at as u64).unwrap();
}

/// What a run said, and its exit code.
fn said(site: &Site, words: &[&str]) -> String {
    let output = site.run(words);
    let code = output.status.code().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    let said = said.replace(site.folder.path().to_str().unwrap(), "[folder]");
    format!("$ controller {}\n{said}exit code {code}\n\n", words.join(" "))
}

#[test]
fn a_log_is_shown_and_missed_when_it_was_cut() {
    let (site, state) = site();
    site.good(&["uptime", "web-1"]);
    site.good(&["echo", "web-1", "hello"]);
    site.run(&["can", "web-1", "run:reboot"]);
    let mut seen = said(&site, &["audit", "web-1"]);
    let first = noted(&site);
    seen += &said(&site, &["audit", "web-1", "--last", "1"]);
    seen += "The log ends before what was noted:\n";
    note(&site, 1000, &first["hash"]);
    seen += &said(&site, &["audit", "web-1", "--last", "1"]);
    seen += "Another record has the number of the noted one:\n";
    note(&site, 2, &first["hash"]);
    seen += &said(&site, &["audit", "web-1", "--last", "1"]);
    assert_eq!(noted(&site)["n"], 2, "what did not fit must not be forgotten");
    seen += "A record is another than it was:\n";
    note(&site, first["n"].as_u64().unwrap(), &first["hash"]);
    change(&state.path().join("audit/current.jsonl"), "\"uptime\"", "\"whoami\"");
    seen += &said(&site, &["audit", "web-1"]);
    insta::with_settings!({ filters => vec![
        (r"127\.0\.0\.1:\d{2,5}", "127.0.0.1:PORT"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[date and time]    "),
        (r" +\d+\.\d+ ms", "  [time]"),
        (r" +took", "  took"),
    ] }, { insta::assert_snapshot!(seen) });
}

#[test]
fn what_was_noted_is_for_its_owner_only_and_grows() {
    let (site, _state) = site();
    site.good(&["audit", "web-1"]);
    let mode = |name: &str| fs::metadata(site.home().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("receipts"), mode("receipts/web-1.json")), (0o700, 0o600));
    let before = noted(&site)["n"].as_u64().unwrap();
    assert_eq!(site.answer(&["audit", "web-1"])["receipt"], "fits");
    assert!(noted(&site)["n"].as_u64().unwrap() > before);
    let now = noted(&site)["n"].clone();
    site.good(&["audit", "web-1", "--since", "1"]);
    assert!(noted(&site)["n"].as_u64() > now.as_u64());
}

#[test]
fn raw_lines_can_be_checked_again() {
    let (site, _state) = site();
    for _ in 0..5 {
        site.good(&["uptime", "web-1"]);
    }
    let lines = site.good(&["audit", "web-1", "--last", "4", "--raw"]);
    let copy = site.path("copy.jsonl");
    fs::write(&copy, &lines).unwrap();
    let whole = verify(&site.path("nowhere"), &[copy]).unwrap().to_string();
    assert!(whole.starts_with("whole: records 3 to 6 (4) in 1 file, from "), "{whole}");
}

#[test]
fn an_agent_without_a_log_says_so() {
    let rule = Rule { who: "*".parse().unwrap(), what: vec!["audit".parse().unwrap()] };
    let permissions = Permissions { allow: vec![rule], deny: vec![] };
    let (site, _) = Site::with_policy(Policy { permissions, ..Policy::default() });
    let output = site.run(&["audit", "web-1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there are no records: this agent keeps no audit log"));
}
