//! The list of all that was ever signed, as a person and a script meet it.

use std::fs;

use certs::Credentials;
use serde_json::Value;

use crate::site::{Site, text};

#[test]
fn what_was_signed_is_listed_by_name_with_what_became_of_it() {
    let site = Site::new();
    site.issue("web-1", "192.0.2.7");
    site.good(&["issue", "web-1", "--days", "20", "--out", site.path("renewed").to_str().unwrap()]);
    site.issue("db-1", "192.0.2.8");
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
        "state": "current",
    });
    assert_eq!(*web_1, expected);
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
