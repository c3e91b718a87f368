//! Health checks of many hosts, with the built program: what monitoring systems read, and what is no check.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::fleet::fleet;
use crate::site::{MASKS, Site, controller, text};

const ONLY: [&str; 6] = ["--only", "reachable,cert,disk", "--timeout", "500ms", "--disk", "100%"];

fn checked(site: &Site, words: &[&str]) -> (i32, String, String) {
    let output = site.run(&[&["check"], words, &ONLY].concat());
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_worst_of_all_hosts_decides_and_everybody_has_a_line() {
    let site = fleet();
    let mut pages = String::new();
    for words in [
        &["web-1"][..],
        &["web-[1-3]"],
        &["web-[1-5]"],
        &["web-[1-5]", "--output", "nagios"],
        &["web-1", "--output", "nagios"],
        &["web-4"],
        &["web-1", "--service", "nginx", "--only", "service"],
    ] {
        let (code, out, said) = checked(&site, words);
        pages += &format!("$ controller check {}\n{out}{said}[{code}]\n\n", words.join(" "));
    }
    let masks = [
        (r"=[0-9.]+([s%;])", "=[number]$1"),
        (r"\d+ % used", "[share] used"),
        (r"/run/dbus/[^\n;]*", "/run/dbus/[why]"),
    ];
    let filters = [&MASKS[..], &masks].concat();
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(pages) });
}

#[test]
fn programs_read_it_in_their_own_forms() {
    let site = fleet();
    let file = site.path("rollcall.prom");
    let (code, out, _) =
        checked(&site, &["web-[1-5]", "--output", "prometheus", "--to", file.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    let written = fs::read_to_string(&file).unwrap();
    for line in ["rollcall_up{host=\"web-1\"} 1\n", "rollcall_up{host=\"web-4\"} 0\n"] {
        assert!(written.contains(line), "{written}");
    }
    let (_, junit, _) = checked(&site, &["web-[1-5]", "--output", "junit"]);
    assert!(junit.contains("<testsuite name=\"web-5\""), "{junit}");
    let (_, json, _) = checked(&site, &["web-[1-5]", "--output", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let states: Vec<&str> = json["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["answer"]["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["ok", "ok", "ok", "critical", "critical"]);
    assert_eq!(json["summary"]["otherwise"][0]["hosts"], "web-[4-5]");
    assert_eq!(site.run(&["uptime", "web-[1-2]", "--output", "nagios"]).status.code(), Some(2));
}

#[test]
fn profiles_say_what_is_checked_where() {
    let site = fleet();
    let file = site.home().join("checks.toml");
    let profile = "[profile.front]\nfor = \"web-[1-2]\"\ndisk = \"~:-1\"\n[profile.idle]\nreachable = true\n";
    fs::write(&file, profile).unwrap();
    let state = |words: &[&str]| {
        let output = site.run(&[&["check"], words, &["--output", "jsonl"]].concat());
        let line = text(&output.stdout);
        let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
        (output.status.code().unwrap(), line["answer"]["checks"].as_array().unwrap().len())
    };
    assert_eq!(state(&["web-1"]), (1, 1));
    assert_eq!(state(&["web-3", "--only", "cert"]), (0, 1));
    assert_eq!(state(&["web-1", "--profile", "idle"]), (0, 1));
    assert_eq!(state(&["web-1", "--disk", "100%"]), (0, 1));
    for (written, fault) in [
        ("[profile.front]\ndisc = true\n", "checks.toml: 2:1: profile.front.disc: "),
        ("[profile.front]\ndisk = \"9O%\"\n", "checks.toml: 2:"),
        ("[profile.front]\nfor = \"@nobody\"\ndisk = true\n", "checks.toml: `@nobody`, at character 1: "),
    ] {
        fs::write(&file, written).unwrap();
        let output = site.run(&["check", "web-1"]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(3) && said.contains(fault), "{said}");
    }
    fs::write(&file, profile).unwrap();
    let output = site.run(&["check", "web-1", "--profile", "fron"]);
    assert!(
        output.status.code() == Some(3) && text(&output.stderr).contains("front"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn what_is_no_threshold_is_unknown_and_asks_nobody() {
    let site = Site::new();
    for words in [
        &["--disk", "9O%"][..],
        &["--disk", "90%,80%,70%"],
        &["--load", "4:2"],
        &["--clock", "5"],
        &["--cert", "soon"],
        &["--latency", "1parsec"],
        &["--process", ""],
        &["--only", "disc"],
        &["--skip", "lod"],
        &["--file-age", "/a:b:c"],
        &["--exclude", "web["],
    ] {
        let output = site.run(&[&["check", "192.0.2.1"], words].concat());
        assert_eq!(output.status.code(), Some(3), "{words:?}: {}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with("UNKNOWN - "), "{words:?}");
    }
}

#[test]
fn a_script_goes_on_when_the_machine_is_back() {
    let mut site = Site::new();
    let listener = site.listener("127.0.0.1:0");
    let address = listener.local_addr().unwrap();
    let credentials = site.issue("web-1", &address.to_string());
    drop(listener);
    let mut waiting = controller(&site.home(), &["wait", "web-1", "--timeout", "60s", "-i", "10ms"]);
    let mut waiting = waiting.spawn().unwrap();
    let refused = site.run(&["wait", "web-1", "--timeout", "50ms", "-i", "10ms"]);
    assert_eq!(refused.status.code(), Some(3));
    let listener = site.listener(&address.to_string());
    site.serve(&credentials, listener);
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    site.good(&["wait", "web-1", "--for", "uptime>1us"]);
    let began = std::time::Instant::now();
    let vain = site.run(&["wait", "web-1", "--for", "uptime<1us", "--timeout", "1s", "-i", "100ms"]);
    assert_eq!(vain.status.code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(site.run(&["wait", "web-1", "--for", "tea"]).status.code(), Some(2));
}
