//! Each verb as a person or a script sees it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use agent::config::Policy;
use agent::permissions::{Permissions, Rule};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::site::{Site, controller, text};

#[test]
fn uptime_is_one_line_or_json() {
    let (site, _) = Site::with_agent();
    let line = site.good(&["uptime", "web-1"]);
    assert!(line.contains(" up ") && line.contains("load average: ") && line.lines().count() == 1, "{line}");
    let answer = site.answer(&["uptime", "web-1"]);
    assert!(answer["uptime_seconds"].as_f64().unwrap() > 0.0);
}

/// Every leaf by its type, so that the form is compared and not the machine.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(values) => values.iter().map(shape).take(1).collect(),
        Value::Null => "nothing".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
    }
}

#[test]
fn the_json_of_each_verb_has_the_documented_form() {
    let (site, _) = Site::with_agent();
    let mut shapes = String::new();
    for words in [
        &["uptime", "web-1"][..],
        &["info", "web-1", "--section", "cpu,memory,agent"],
        &["time", "web-1"],
        &["echo", "web-1", "hello"],
        &["ping", "web-1", "-c", "1"],
        &["whoami", "web-1"],
        &["can", "web-1", "run:reboot"],
        &["processes", "web-1", "no such process"],
        &["doctor", "web-1"],
        &["info", "nowhere.invalid"],
    ] {
        let output = site.run(&[words, &["--output", "json"]].concat());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut form = shape(&document);
        form["schema"] = document["schema"].clone();
        // A machine may or may not tell these.
        for path in
            ["model", "physical_cores", "synchronised", "max_error_seconds", "zone", "descriptors_limit"]
        {
            forget(&mut form, path);
        }
        shapes += &format!("{}\n{}\n\n", words.join(" "), serde_json::to_string_pretty(&form).unwrap());
    }
    insta::assert_snapshot!(shapes);
}

fn forget(value: &mut Value, key: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(found) = fields.get_mut(key) {
                *found = "whatever the machine tells".into();
            }
            fields.values_mut().for_each(|value| forget(value, key));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| forget(value, key)),
        _ => {}
    }
}

#[test]
fn info_shows_what_was_asked_and_nothing_else() {
    let (site, _) = Site::with_agent();
    let whole = site.good(&["info", "web-1"]);
    for part in
        ["host ", "system ", "up ", "processor ", "cpu ", "memory ", "agent ", "certificate ", "network "]
    {
        assert!(whole.lines().any(|line| line.trim_start().starts_with(part)), "no {part} in {whole}");
    }
    let part = site.good(&["info", "web-1", "--section", "memory"]);
    let labels: Vec<&str> = part.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(labels == ["memory"] || labels == ["memory", "swap"], "{part}");
    let answer = site.answer(&["info", "web-1", "--section", "users,network"]);
    let parts: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert!(parts.iter().all(|part| ["at", "network", "users"].contains(&part.as_str())), "{parts:?}");
}

#[test]
fn processes_are_counted_by_name() {
    let (site, _) = Site::with_agent();
    // The test itself runs; the kernel has cut its name if that is long.
    let own = std::env::current_exe().unwrap();
    let own = own.file_name().unwrap().to_str().unwrap();
    let counts = site.answer(&["processes", "web-1", own, "no such process"]);
    let running = |index: usize| counts["processes"][index]["running"].as_u64().unwrap();
    assert!(running(0) >= 1 && running(1) == 0, "{counts}");
    let many: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let words: Vec<&str> =
        ["processes", "web-1"].into_iter().chain(many.iter().map(String::as_str)).collect();
    let output = site.run(&words);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("1 to 64"), "{}", text(&output.stderr));
}

#[test]
fn where_there_is_no_bus_services_says_so() {
    let (site, _) = Site::with_agent();
    let output = site.run(&["services", "web-1", "cron"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("has no line to the machine's bus") && said.contains("`processes`"), "{said}");
}

#[test]
fn files_are_looked_at_where_that_is_granted() {
    let (site, _) = Site::with_agent();
    let output = site.run(&["files", "web-1", "/etc/passwd"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(r#""alice" = ["files"]"#), "{}", text(&output.stderr));

    let rule = Rule { who: "alice".parse().unwrap(), what: vec!["files".parse().unwrap()] };
    let permissions = Permissions { allow: vec![rule], ..Permissions::default() };
    let (site, _) = Site::with_policy(Policy { permissions, ..Policy::default() });
    let file = site.path("a file");
    std::fs::write(&file, "12345").unwrap();
    let looks = site.answer(&["files", "web-1", file.to_str().unwrap(), "/etc", "/nowhere"]);
    let [there, folder, absent] = [&looks["files"][0], &looks["files"][1], &looks["files"][2]];
    assert_eq!(
        (&there["exists"], &there["facts"]["kind"], &there["facts"]["size_bytes"]),
        (&true.into(), &"file".into(), &5.into())
    );
    let modified: jiff::Timestamp = there["facts"]["modified"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(modified).as_secs().abs() < 3600, "{there}");
    assert_eq!((&folder["facts"]["kind"], &absent["exists"]), (&"folder".into(), &false.into()));
    let output = site.run(&["files", "web-1", "relative"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("does not begin with /"), "{}", text(&output.stderr));
}

#[test]
fn time_finds_this_machines_own_clock_within_its_bound() {
    let (site, _) = Site::with_agent();
    let line = site.good(&["time", "web-1"]);
    assert!(line.contains(" ms +-") && line.contains(" from this clock; "), "{line}");
    let offset = &site.answer(&["time", "web-1", "-n", "20"])["offset"];
    let (seconds, error) = (offset["seconds"].as_f64().unwrap(), offset["error_seconds"].as_f64().unwrap());
    assert!(seconds.abs() <= error, "{offset}");
}

#[test]
fn echo_brings_any_bytes_back() {
    let (site, _) = Site::with_agent();
    assert_eq!(site.good(&["echo", "web-1", "häl lo"]), "häl lo\n");
    assert_eq!(site.good(&["echo", "web-1", ""]), "\n");
    let bytes: Vec<u8> = (0..=255).cycle().take(60 * 1024).collect();
    for input in [&bytes[..], &b""[..], &b"\n"[..]] {
        let output = site.run_with_input(&["echo", "web-1", "-"], input);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == input);
    }
    let output = site.run_with_input(&["echo", "web-1", "-"], &[0; 60 * 1024 + 1]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("at most 61440 bytes"), "{}", text(&output.stderr));
}

#[test]
fn ping_counts_and_sums_up() {
    let (site, _) = Site::with_agent();
    let shown = site.good(&["ping", "web-1", "-c", "3", "-i", "10ms", "--size", "1000"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("PING web-1 (127.0.0.1:"), "{shown}");
    assert!(lines[3].starts_with("1000 bytes from web-1: seq=3 time="), "{shown}");
    assert_eq!(lines[5], "3 sent, 3 received, 0 lost");
    assert!(lines[6].starts_with("min/avg/max/p99 = "), "{shown}");
}

#[test]
fn an_interrupted_ping_sums_up() {
    let (site, _) = Site::with_agent();
    let mut child =
        controller(&site.home(), &["ping", "web-1", "-i", "1h"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.by_ref().find(|line| line.contains("seq=1")).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(lines.any(|line| line == "1 sent, 1 received, 0 lost"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn watch_shows_one_answer_after_the_other() {
    let (site, _) = Site::with_agent();
    let words = ["watch", "web-1", "-i", "200ms", "-c", "3", "--section", "memory", "--output", "jsonl"];
    let lines = site.good(&words);
    assert_eq!(lines.lines().count(), 3);
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert!(value["answer"]["memory"]["total_bytes"].as_u64().unwrap() > 0);
    }
}

#[test]
fn verbose_says_each_stage_as_it_passes() {
    let (site, address) = Site::with_agent();
    let output = site.run(&["-v", "uptime", "web-1"]);
    let said = text(&output.stderr);
    let stages = [
        "web-1: is at 127.0.0.1".to_owned(),
        format!("connected to {address}"),
        "TLS 1.3 agreed with X25519MLKEM768".to_owned(),
        "it is rollcall://agent/web-1 until ".to_owned(),
        "asked uptime".to_owned(),
        "answered with ".to_owned(),
    ];
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), stages.len(), "{said}");
    for (line, stage) in lines.iter().zip(&stages) {
        assert!(line.contains(" ms  ") && line.contains(stage.as_str()), "{line:?} lacks {stage:?}");
    }
}

#[test]
fn a_closed_pipe_is_quiet_success() {
    let (site, _) = Site::with_agent();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = controller(&site.home(), &["info", "web-1"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn wrong_usage_exits_with_2_and_asks_nothing() {
    let site = Site::new();
    for words in [
        &["info"][..],
        &["info", "web-1", "--section", "gpu"],
        &["info", "web-1:0"],
        &["info", "a$b"],
        &["issue", "web.1"],
        &["issue", "web-1", "--address", "a b"],
        &["ping", "web-1", "--size", "61441"],
        &["watch", "web-1", "-i", "1ms"],
        &["--timeout", "0", "info", "web-1"],
        &["reboot", "web-1"],
        &["watch", "web-1", "--output", "json"],
        &["ping", "web-1", "-c", "0"],
    ] {
        let output = site.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{words:?}");
    }
}
