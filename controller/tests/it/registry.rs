//! The list of all that was ever signed, as a person and a script meet it.

use std::fs;
use std::process::{Command, Stdio};

use certs::{Credentials, Fingerprint};
use serde_json::Value;

use crate::site::{Site, controller, text};

#[test]
fn what_was_signed_is_listed_by_name_with_what_became_of_it() {
    let site = Site::new();
    site.issue("web-1", "192.0.2.7");
    site.good(&["issue", "web-1", "--for", "20d", "--out", site.path("renewed").to_str().unwrap()]);
    site.good(&["issue", "db-1", "--for", "5d", "--out", site.path("first").to_str().unwrap()]);
    site.good(&["issue", "db-1", "--out", site.path("second").to_str().unwrap()]);
    let seen = [&["certs"][..], &["certs", "--expiring", "30d"], &["certs", "--expiring", "12h"]]
        .map(|words| format!("$ controller {}\n{}\n", words.join(" "), site.good(words)))
        .concat();
    insta::with_settings!({ filters => vec![
        (r"\b[0-9a-f]{8}\b", "[serial]"),
        (r"\d{4}-\d\d-\d\d", "[date]"),
    ] }, { insta::assert_snapshot!(seen) });
}

#[test]
fn scripts_get_every_field_in_one_document_or_a_line_each() {
    let site = Site::new();
    let bundle = site.issue("web-1", "192.0.2.7:7000");
    let document: Value = serde_json::from_str(&site.good(&["certs", "--output", "json"])).unwrap();
    assert_eq!(document["schema"], "rollcall.certs/1");
    let [alice, web_1] = document["certificates"].as_array().unwrap().as_slice() else {
        panic!("{document}")
    };
    assert_eq!((&alice["role"], &alice["how"]), (&"controller".into(), &"init".into()));
    let own = bundle.own();
    let expected = serde_json::json!({
        "identity": "rollcall://agent/web-1",
        "role": "agent",
        "name": "web-1",
        "teams": [],
        "serial": own.serial.to_string(),
        "not_before": own.not_before.to_string(),
        "not_after": own.not_after.to_string(),
        "signed_at": web_1["signed_at"],
        "addresses": ["192.0.2.7"],
        "how": "issue",
        "authority": web_1["authority"],
        "state": "current",
    });
    assert_eq!(*web_1, expected);
    let authority = Fingerprint::of_certificate(&bundle.authorities()[0]).unwrap().to_string();
    assert_eq!(web_1["authority"], authority);
    let lines = site.good(&["certs", "--output", "jsonl"]);
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["schema"], &last["serial"]), (&"rollcall.certs/1".into(), &web_1["serial"]));
}

#[test]
fn whoever_cannot_note_a_certificate_gets_none() {
    let site = Site::new();
    let list = site.home().join("certificates.jsonl");
    let whole = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("rubbish\n{whole}")).unwrap();
    let bundle = site.path("web-1.bundle");
    for words in [&["issue", "web-1", "--out", bundle.to_str().unwrap()][..], &["certs"]] {
        let output = site.run(words);
        let said = text(&output.stderr);
        assert!(said.contains("certificates.jsonl: line 1 is damaged: "), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
    assert!(!bundle.exists());
    // Half a line at the end is what a crash leaves, and its certificate is nobody's.
    fs::write(&list, format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();
    site.good(&["issue", "web-1", "--out", bundle.to_str().unwrap()]);
    let serial = Credentials::load(&bundle).unwrap().own().serial.to_string();
    let mended = fs::read_to_string(&list).unwrap();
    assert!(mended.starts_with(&whole) && mended.lines().count() == 2, "{mended}");
    assert!(mended.lines().last().unwrap().contains(&serial));
}

#[test]
fn a_full_disk_leaves_the_list_as_it_was_and_hands_nothing_out() {
    let site = Site::new();
    let list = site.home().join("certificates.jsonl");
    let before = fs::read(&list).unwrap();
    // No file may grow past 512 bytes, which the second line would: its first half still fits.
    let script = r#"trap '' XFSZ; ulimit -f 1; exec "$0" issue web-1"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_controller")]).current_dir(site.folder.path());
    let output = shell.env("ROLLCALL_HOME", site.home()).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("certificates.jsonl: cannot write to: File too large"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(&list).unwrap(), before);
    assert!(!site.path("web-1.bundle").exists());
}

#[test]
fn controllers_that_sign_at_once_wait_for_each_other() {
    let site = Site::new();
    let issue = |number: u32| {
        let bundle = site.path(&format!("{number}.bundle"));
        let words = ["issue", &format!("web-{number}"), "--out", bundle.to_str().unwrap()];
        controller(&site.home(), &words).stderr(Stdio::null()).spawn().unwrap()
    };
    let signing: Vec<_> = (0..6).map(issue).collect();
    assert!(signing.into_iter().all(|mut program| program.wait().unwrap().success()));
    assert_eq!(site.good(&["certs", "--output", "jsonl"]).lines().count(), 7);
    let hosts = fs::read_to_string(site.home().join("hosts.toml")).unwrap();
    assert_eq!(hosts.matches("[hosts.web-").count(), 6, "{hosts}");
}
