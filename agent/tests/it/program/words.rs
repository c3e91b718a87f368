//! What it says when it cannot start, and before it does.

use std::fs;
use std::process::Command;

use certs::store::Existing;
use certs::{Algorithm, Authority, Grant, Identity, Validity};
use jiff::{SignedDuration, Timestamp};

use super::{agent, said};
use crate::site::agent_credentials;

#[test]
fn without_an_identity_it_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("web-1.bundle");
    let output = agent(&["run", "--identity", bundle.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output.stderr, folder.path()),
        "agent: cannot start: identity: [folder]/web-1.bundle: cannot open: No such file or directory (os error 2)\n\
         agent: leave --identity away to have this machine adopted. Or at your desk: controller issue NAME --address \
         ADDRESS\n  \
         Carry NAME.bundle here, then: agent run --identity NAME.bundle\n"
    );
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("web-1.bundle");
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    agent_credentials(&authority, "web-1").save(&bundle, Existing::Keep).unwrap();
    let output = agent(&["run", "--identity", bundle.to_str().unwrap(), "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output.stderr, folder.path()).replace(&address, "[address]"),
        "agent: cannot start: cannot listen on [address]: Address already in use (os error 98)\n\
         agent: another program listens there, perhaps another agent; choose another with --listen\n"
    );
}

#[test]
fn check_config_names_every_fault_and_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    fs::write(&file, "lisen = 1\nlog = \"loud\"\n").unwrap();
    let output = agent(&["check-config", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output.stderr, folder.path()),
        "agent: [folder]/agent.toml:1:1: lisen: unknown key; did you mean `listen`?\n\
         agent: [folder]/agent.toml:2:7: log: a log level is one of error, warn, info, debug\n"
    );

    fs::write(&file, "listen = \"0.0.0.0\"\n").unwrap();
    let words =
        ["check-config", "--state", folder.path().to_str().unwrap(), "--config", file.to_str().unwrap()];
    let output = agent(&words);
    assert_eq!(output.status.code(), Some(0));
    let good = "good ([folder]/agent.toml): listens on 0.0.0.0:5669, waits there to be adopted\n";
    assert_eq!(said(&output.stdout, folder.path()), good);

    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let credentials = agent_credentials(&authority, "web-1");
    credentials.save(&folder.path().join("identity.bundle"), Existing::Keep).unwrap();
    let output = agent(&words);
    assert_eq!(output.status.code(), Some(0));
    let until = credentials.own().not_after;
    let good = format!("good ([folder]/agent.toml): listens on 0.0.0.0:5669, identity web-1 until {until}\n");
    assert_eq!(said(&output.stdout, folder.path()), good);
}

#[test]
fn a_certificate_that_has_ended_is_said_before_anybody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::agent("web-1".parse().unwrap());
    let second = SignedDuration::from_secs(1);
    let validity = Validity { not_before: Timestamp::UNIX_EPOCH, not_after: Timestamp::UNIX_EPOCH + second };
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity };
    let credentials =
        Authority::create(Algorithm::Ed25519).unwrap().issue(Algorithm::Ed25519, &grant).unwrap();
    credentials.save(&folder.path().join("identity.bundle"), Existing::Keep).unwrap();
    let output = agent(&["check-config", "--state", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output.stderr, folder.path()).contains("the certificate ended at 1970-01-01T00:00:01Z"));
}

#[test]
fn a_service_manager_that_nobody_hears_is_named() {
    let told = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(["run", "--state", "/nowhere", "--listen", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", "/nowhere/notify")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(said.starts_with("agent: cannot start: NOTIFY_SOCKET=/nowhere/notify: "), "{said}");
}
