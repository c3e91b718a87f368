//! What is void: refused at once here, everywhere as the list is carried, and after a restart too.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use certs::Credentials;

use crate::foundling::Foundling;
use crate::site::{Site, controller, text};

/// A fleet of one machine, and two operators: alice keeps the authority, bob does not.
struct Fleet {
    alice: Site,
    bob: Site,
    web: Foundling,
}

impl Fleet {
    fn new() -> Fleet {
        let (alice, bob) = (Site::new(), Site::without_home());
        let bundle = alice.path("bob.bundle");
        alice.good(&["operator", "add", "bob", "--out", bundle.to_str().unwrap()]);
        bob.good(&["operator", "accept", bundle.to_str().unwrap()]);
        let mut web = Foundling::new();
        let code = web.code();
        let adopted = alice.run_with_input(&["adopt", &web.address, "--name", "web-1"], code.as_bytes());
        assert_eq!(adopted.status.code(), Some(0), "{}", text(&adopted.stderr));
        Fleet { alice, bob, web }
    }
}

#[test]
fn a_revoked_operator_is_out_at_once_and_stays_out() {
    let fleet = Fleet::new();
    let address = &fleet.web.address;
    let mut watching = controller(&fleet.bob.home(), &["watch", address, "--interval", "200ms"]);
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(watching.stdout.take().unwrap());
    shown.read_line(&mut String::new()).unwrap();

    fleet.alice.good(&["revoke", "bob"]);
    assert_eq!(fleet.bob.run(&["uptime", address]).status.code(), Some(0), "web-1 cannot know it yet");
    // Any contact of somebody who knows it will do.
    fleet.alice.good(&["uptime", "web-1"]);
    shown.read_to_string(&mut String::new()).unwrap();
    let ended = watching.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains("your certificate is revoked"), "{}", text(&ended.stderr));

    let refused = |address: &str| {
        let output = fleet.bob.run(&["uptime", address]);
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains("it is revoked"), "{}", text(&output.stderr));
    };
    refused(address);
    let state = std::rc::Rc::clone(&fleet.web.state);
    drop(fleet.web);
    let again = Foundling::at(&state, &[]).unwrap();
    refused(&again.address);
    let listed = fleet.alice.good(&["certs"]);
    let bob = listed.lines().find(|line| line.contains("bob")).unwrap();
    assert!(bob.ends_with("revoked"), "{listed}");
}

#[test]
fn a_revoked_machine_is_not_believed() {
    let fleet = Fleet::new();
    fleet.alice.good(&["revoke", "web-1"]);
    let output = fleet.alice.run(&["uptime", "web-1"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("is revoked"), "{}", text(&output.stderr));
    // Bob has no list yet, and finds out from nobody but somebody who has one.
    assert_eq!(fleet.bob.run(&["uptime", &fleet.web.address]).status.code(), Some(0));
}

#[test]
fn a_conversation_with_a_machine_that_gets_revoked_ends() {
    let fleet = Fleet::new();
    let talk = |words: &[&str]| {
        let mut talking = controller(&fleet.alice.home(), words);
        let mut talking = talking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut shown = BufReader::new(talking.stdout.take().unwrap());
        shown.read_line(&mut String::new()).unwrap();
        (talking, shown)
    };
    let talks =
        [&["watch", "web-1", "--interval", "1h"][..], &["ping", "web-1", "--interval", "1h"]].map(talk);
    fleet.alice.good(&["revoke", "web-1"]);
    for (talking, mut shown) in talks {
        shown.read_to_string(&mut String::new()).unwrap();
        let ended = talking.wait_with_output().unwrap();
        let said = text(&ended.stderr);
        assert!(said.contains("the certificate of 127.0.0.1:") && said.contains(" is revoked\n"), "{said}");
        assert_ne!(ended.status.code(), Some(0));
    }
}

#[test]
fn lists_only_move_forward_and_the_newer_one_spreads() {
    let fleet = Fleet::new();
    let file = fleet.alice.home().join("revoked.pem");
    for name in ["carol", "dora"] {
        let bundle = fleet.alice.path(name);
        fleet.alice.good(&["operator", "add", name, "--out", bundle.to_str().unwrap()]);
    }
    fleet.alice.good(&["revoke", "carol"]);
    let old = fs::read(&file).unwrap();
    let first = fleet.alice.answer(&["sync", "web-1"]);
    assert_eq!(first["agent_had"], 0);
    fleet.alice.good(&["revoke", "dora"]);
    let second = fleet.alice.answer(&["sync", "--all"]);
    assert_eq!(second["agent_had"], first["number"]);
    assert!(second["number"].as_u64() > first["number"].as_u64());

    // A home from a backup learns what it had forgotten, and an agent forgets nothing.
    fs::write(&file, old).unwrap();
    let back = fleet.alice.good(&["sync", "web-1"]);
    assert_eq!(back, format!("web-1: had a newer list, {}, which is here now\n", second["number"]));
    assert!(fleet.alice.good(&["sync", "web-1"]).contains("already"));
    let bobs = fleet.bob.answer(&["sync", &fleet.web.address]);
    assert_eq!((&bobs["controller_had"], &bobs["number"]), (&0.into(), &second["number"]));
    assert!(fleet.bob.home().join("revoked.pem").exists());
}

#[test]
fn what_cannot_be_revoked_is_said() {
    let site = Site::new();
    for (name, out) in [("web-1", "a"), ("both", "b")] {
        site.good(&["issue", name, "--address", "192.0.2.7", "--out", site.path(out).to_str().unwrap()]);
    }
    site.good(&["operator", "add", "both", "--out", site.path("c").to_str().unwrap()]);
    site.good(&["revoke", "web-1"]);
    let mut seen = String::new();
    for words in [&["revoke", "web-9"][..], &["revoke", "web-1"], &["revoke", "both"], &["revoke", "alice"]] {
        let output = site.run(words);
        let code = output.status.code().unwrap();
        seen += &format!("$ controller {}\n{}exit code {code}\n\n", words.join(" "), text(&output.stderr));
    }
    let done = site.run(&["revoke", "both", "--role", "agent"]);
    seen += &format!("$ controller revoke both --role agent\n{}\n", text(&done.stderr));
    fs::write(site.home().join("revoked.pem"), "half a list").unwrap();
    let damaged = site.run(&["uptime", "web-1"]);
    seen += &text(&damaged.stderr).replace(site.folder.path().to_str().unwrap(), "[folder]");
    insta::assert_snapshot!(seen);
}

#[test]
fn a_machine_that_was_set_up_anew_takes_its_name_back() {
    let mut fleet = Fleet::new();
    let state = std::rc::Rc::clone(&fleet.web.state);
    let old = Credentials::load(&state.path().join("identity.bundle")).unwrap();
    let address = fleet.web.address.clone();
    fs::remove_file(state.path().join("identity.bundle")).unwrap();
    drop(fleet.web);
    fleet.web = Foundling::listening(&state, &address).unwrap();
    let code = fleet.web.code();
    let adopt = |more: &[&str]| {
        let words = [&["adopt", &address, "--name", "web-1"], more].concat();
        fleet.alice.run_with_input(&words, code.as_bytes())
    };
    let refused = adopt(&[]);
    assert!(text(&refused.stderr).contains("take the name with --replace"), "{}", text(&refused.stderr));
    assert_eq!(adopt(&["--replace"]).status.code(), Some(0));
    fleet.alice.good(&["uptime", "web-1"]);
    let listed = fleet.alice.good(&["certs"]);
    assert_eq!(listed.matches("revoked").count(), 1, "{listed}");
    // Whoever kept the old key is not web-1 any more.
    let mut alice = fleet.alice;
    let listener = alice.listener("127.0.0.1:0");
    let impostor = listener.local_addr().unwrap().to_string();
    alice.serve(&old, listener);
    let believed = alice.run(&["uptime", &impostor]);
    assert_eq!(believed.status.code(), Some(3));
    assert!(text(&believed.stderr).contains("is revoked"), "{}", text(&believed.stderr));
}
