//! Many hosts at once, with the built program: who answers, who does not, and that everybody is accounted for.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::impostors::raw;
use crate::site::{MASKS, Site, controller, text};

/// `web-1` to `web-3` answer, nothing listens where `web-4` is, and `web-5` says nothing.
pub(crate) fn fleet() -> Site {
    let mut site = Site::new();
    for number in 1..=3 {
        let listener = site.listener("127.0.0.1:0");
        let address = listener.local_addr().unwrap().to_string();
        let credentials = site.issue(&format!("web-{number}"), &address);
        site.serve(&credentials, listener);
    }
    let gone = site.nowhere();
    site.issue("web-4", &gone);
    let silent = raw(&site, b"", true);
    site.issue("web-5", &silent);
    site
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn everybody_is_accounted_for_in_every_format() {
    let site = fleet();
    let mut pages = String::new();
    for words in [
        &["whoami", "web-[1-5]"][..],
        &["echo", "web-[1-5]", "hello"],
        &["echo", "web-[1-3]", "hello", "--output", "lines"],
        &["echo", "web-[4-5]", "hello"],
        &["info", "web-[3,1-2]", "--columns", "architecture", "--output", "fold"],
        &[
            "info",
            "web-[3,1-2]",
            "--columns",
            "architecture,memory_total_bytes",
            "--output",
            "csv",
            "--section",
            "system",
        ],
        &["uptime", "@*", "--exclude", "web-[4-5]", "--columns", "users", "--sort", "users", "-q"],
        &["uptime", "web-[1-3]", "--columns", "height"],
        &["uptime", "web-[1-3]", "--sort", "height"],
        &["caps", "web-[1-3]", "--output", "csv"],
        &["whoami", "web-[1-3]", "--columns", "teams", "--sort", "-host"],
        &["uptime", "web-[1-3]", "--columns", "host,users", "--sort", "-host"],
        &["uptime", "web-[3-4]", "--columns", "users", "--output", "csv"],
        &["uptime", "nosuch-[1-2].invalid"],
        &["uptime", "web-1", "--exclude", "web-O1", "--columns", "users"],
        &["uptime", "web-[1-2]!web-O1,web-3!web-2", "--columns", "users"],
    ] {
        let output = site.run(&[words, &["--timeout", "500ms"]].concat());
        let mut out = text(&output.stdout);
        if words.iter().any(|word| ["lines", "csv"].contains(word)) {
            // These stand in the order in which they came.
            let mut lines: Vec<&str> = out.lines().collect();
            lines.sort_unstable();
            out = lines.join("\n") + "\n";
        }
        let code = output.status.code().unwrap();
        pages += &format!("$ controller {}\n{out}{}[{code}]\n\n", words.join(" "), text(&output.stderr));
    }
    let masks = [(r"certificate +.*", "certificate [serial and date]"), (r"\b\d+$", "[number]")];
    let filters = [&MASKS[..], &masks].concat();
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(pages) });
}

#[test]
fn programs_read_each_answer_and_a_summary() {
    let site = fleet();
    let words = ["uptime", "web-[1-5]", "--timeout", "500ms", "--output"];
    let each = site.run(&[&words[..], &["jsonl"]].concat());
    let each = lines(&text(&each.stdout));
    assert_eq!(each.len(), 6);
    assert_eq!(each.iter().filter(|line| line["schema"] == "rollcall.uptime/1").count(), 5);
    let whole = site.run(&[&words[..], &["json"]].concat());
    assert_eq!(whole.status.code(), Some(1));
    let whole: Value = serde_json::from_slice(&whole.stdout).unwrap();
    let hosts: Vec<&str> =
        whole["hosts"].as_array().unwrap().iter().map(|host| host["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["web-1", "web-2", "web-3", "web-4", "web-5"]);
    for summary in [&each[5]["summary"], &whole["summary"]] {
        assert_eq!(
            (&summary["hosts"], &summary["answered"], &summary["failed"]),
            (&5.into(), &3.into(), &2.into())
        );
        let mut kinds: Vec<_> = summary["failures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["kind"].as_str(), one["hosts"].as_str()))
            .collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [(Some("refused"), Some("web-4")), (Some("timed_out"), Some("web-5"))]);
    }
}

#[test]
fn who_answered_last_can_be_asked_again() {
    let site = fleet();
    let listed = |selection: &str| site.good(&["hosts", "list", "--fold", selection]);
    assert_eq!(site.run(&["hosts", "list", "@last:ok"]).status.code(), Some(2));
    site.run(&["uptime", "@*", "--timeout", "500ms"]);
    assert_eq!((listed("@last:ok"), listed("@last:failed")), ("web-[1-3]\n".into(), "web-[4-5]\n".into()));
    // One host alone says nothing of the others.
    site.good(&["uptime", "web-1"]);
    site.good(&["uptime", "web-1", "--output", "csv"]);
    assert_eq!(listed("@last:failed"), "web-[4-5]\n");
    // Where it cannot be noted, that is said: somebody may act on those that failed.
    fs::rename(site.home().join("last.json"), site.home().join("kept.json")).unwrap();
    fs::create_dir(site.home().join("last.json")).unwrap();
    let unnoted = text(&site.run(&["uptime", "web-[1-2]"]).stderr);
    assert!(unnoted.starts_with("controller: @last is still of a run before this one: "), "{unnoted}");
    fs::remove_dir(site.home().join("last.json")).unwrap();
    fs::rename(site.home().join("kept.json"), site.home().join("last.json")).unwrap();
    site.good(&["uptime", "@last:ok"]);
    assert_eq!(site.run(&["hosts", "list", "@last:failed"]).status.code(), Some(2));
}

#[test]
fn the_careful_stop_when_enough_has_failed() {
    let site = fleet();
    let words = ["uptime", "web-[4,1-3]", "--jobs", "1", "--max-fail", "1"];
    let output = site.run(&[&words[..], &["--output", "jsonl"]].concat());
    let last = lines(&text(&output.stdout)).pop().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((&last["summary"]["answered"], &last["summary"]["pending"]), (&0.into(), &3.into()));
    assert_eq!(last["summary"]["pending_hosts"], "web-[1-3]");
    let said = text(&output.stderr);
    assert!(said.ends_with("nobody more was asked: --max-fail was reached\n"), "{said}");
    let batches =
        ["uptime", "web-[1-3]", "--batch", "2", "--pause", "1ms", "--random-order", "--output", "jsonl"];
    assert_eq!(lines(&site.good(&batches)).len(), 4);
}

#[test]
fn a_host_is_asked_once_however_it_is_spelt() {
    let site = Site::new();
    site.good(&["hosts", "add", "web-1", "--address", "127.0.0.1:7000"]);
    let spelt = "[2001:db8::1]:5669,127.0.0.1,2001:0db8::1,127.0.0.1:5669,127.0.0.1:7000,2001:db8::1,web-1,web-1:5669,web-1:7000";
    let once = "[2001:db8::1]:5669\n127.0.0.1\n127.0.0.1:7000\nweb-1\nweb-1:5669\n";
    assert_eq!(site.good(&["hosts", "list", "--expand", spelt]), once);
    let its_own = site.good(&["hosts", "list", "--expand", "web-1:07000,web-1:7000,web-1:0700,web-1"]);
    assert_eq!(its_own, "web-1:07000\nweb-1:0700\n");
}

#[test]
fn whoever_is_left_out_is_left_out_in_each_spelling() {
    let site = Site::new();
    let file = site.home().join("hosts.toml");
    fs::write(&file, "[hosts.web-1]\naddresses = [\"127.0.0.1:7000\"]\nlabels = { role = \"web\" }\n")
        .unwrap();
    let list = |words: &[&str]| {
        let output = site.run(&[&["hosts", "list", "--expand"], words].concat());
        text(&output.stdout) + &text(&output.stderr)
    };
    let nobody = "controller: --exclude leaves nobody of those who are named\n";
    assert_eq!(list(&["192.0.2.1,192.0.2.1:5669", "--exclude", "192.0.2.1"]), nobody);
    assert_eq!(list(&["web-1", "--exclude", "web-1:7000"]), nobody);
    assert_eq!(list(&["web-1,web-2!web-1:7000"]), "web-2\n");
    assert_eq!(list(&["0::1,foo&::1"]), "0::1\n");
    assert_eq!(list(&["foo:5669&FOO"]), "foo:5669\n");
    assert_eq!(list(&["web-1,db-1^web-1:7000"]), "db-1\n");
    // An address in capitals is not the machine of that name, and a machine at another port is that machine.
    assert_eq!(list(&["WEB-1,web-1,web-1:7001"]), "WEB-1\nweb-1\nweb-1:7001\n");
    assert_eq!(list(&["WEB-1:7001,web-1:7001,WEB-1,WEB-1:5669"]), "WEB-1:7001\nweb-1:7001\nWEB-1\n");
    assert_eq!(list(&["web-1:7001", "--where", "role=web"]), "web-1:7001\n");
    assert!(site.good(&["hosts", "list", "web-1:7001"]).contains("127.0.0.1:7001"));
}

#[test]
fn ctrl_c_says_who_is_still_waited_for() {
    let site = fleet();
    let words = ["uptime", "web-[1-3,5]", "--timeout", "60s", "--output", "jsonl"];
    let mut asking =
        controller(&site.home(), &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut answers = BufReader::new(asking.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        answers.next().unwrap().unwrap();
    }
    kill_process(Pid::from_child(&asking), Signal::INT).unwrap();
    let last: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
    assert_eq!(last["summary"]["pending_hosts"], "web-5");
    let mut said = String::new();
    asking.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "3 answered, 1 not done (web-5)\n");
    assert_eq!(asking.wait().unwrap().code(), Some(130));
}

#[test]
fn whoever_closes_the_pipe_has_seen_enough() {
    let site = fleet();
    // Also while one is still waited for, and nothing is left to be printed until then.
    let words = ["uptime", "web-[1-3,5]", "--output", "jsonl", "--timeout", "60s"];
    let mut asking = controller(&site.home(), &words);
    let mut asking = asking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(BufReader::new(asking.stdout.take().unwrap()).lines().take(3).count(), 3);
    let mut said = String::new();
    asking.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((said.as_str(), asking.wait().unwrap().code()), ("", Some(0)));
}

#[test]
fn what_is_no_selection_asks_nobody() {
    let site = fleet();
    let large = "x".repeat(20 << 20);
    let mut pages = String::new();
    for (word, input) in [
        ("web[1-", ""),
        ("web[9-1]", ""),
        ("web-[1-99999999]", ""),
        ("@nobody", ""),
        ("web-1&web-2", ""),
        ("db*", ""),
        ("web-1:70000,web-2:", ""),
        ("web-1,http://web-2", ""),
        ("web-{1,2}", ""),
        ("web-1,-x", ""),
        ("web-1,-", ""),
        ("web-1!web/2", ""),
        ("w\u{435}b-1", ""),
        ("-", "web-1\nweb-2\0\n"),
        ("-", &large),
        ("-", "# nobody\n"),
        ("-", "web-1\nweb[9-1]\n"),
        ("-", "web-1\nweb/2\n"),
        ("web-1", "--jobs 0"),
        ("web-1", "--jobs many"),
        ("web-1", "--timeout 0s"),
    ] {
        let flags: Vec<&str> = input.strip_prefix("--").map_or(Vec::new(), |_| input.split(' ').collect());
        let output = site.run_with_input(&[&["uptime", word], &flags[..]].concat(), input.as_bytes());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{word}");
        pages += &format!("{word}: {}", text(&output.stderr));
    }
    for flags in [["--where", "colour=red"], ["--exclude", "web/2"], ["--exclude", "@*"]] {
        let output = site.run(&[&["uptime", "@*"][..], &flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        pages += &text(&output.stderr);
    }
    let empty = site.path("empty");
    fs::write(&empty, "").unwrap();
    for verb in [&["uptime"][..], &["hosts", "list"]] {
        pages += &text(&site.run(&[verb, &["--hosts-file", empty.to_str().unwrap()]].concat()).stderr);
    }
    for damage in ["", "{", r#"{"ok":"","failed":"@last:failed"}"#, r#"{"ok":"","failed":"web["}"#] {
        fs::write(site.home().join("last.json"), damage).unwrap();
        let output = site.run(&["uptime", "@last:failed"]);
        assert_eq!(output.status.code(), Some(2), "{damage}");
        let said = text(&output.stderr);
        pages += &said.replace(site.home().to_str().unwrap(), "[home]");
    }
    insta::assert_snapshot!(pages);
}

#[test]
fn the_list_is_kept_without_a_hand_in_the_file() {
    let site = Site::new();
    let listed = |words: &[&str]| site.good(&[&["hosts", "list"], words].concat());
    site.good(&["hosts", "add", "db-1", "--address", "192.0.2.1", "--label", "role=db", "--group", "back"]);
    std::thread::scope(|scope| {
        for number in 1..=8 {
            let (site, name) = (site.home(), format!("web-{number}"));
            scope.spawn(move || {
                let added =
                    controller(&site, &["hosts", "add", &name, "--label", "role=web"]).output().unwrap();
                assert!(added.status.success(), "{}", text(&added.stderr));
            });
        }
    });
    assert_eq!(listed(&["--fold"]), "db-1,web-[1-8]\n");
    assert_eq!(listed(&["--fold", "@*", "--where", "role=web", "--exclude", "web-[2-9]"]), "web-1\n");
    site.good(&["hosts", "label", "web-[1-2]", "zone=a", "role-", "--group", "front"]);
    assert_eq!(listed(&["--fold", "@front"]), "web-[1-2]\n");
    assert_eq!(
        listed(&["@back", "--output", "csv"]),
        "host,addresses,groups,labels\r\ndb-1,192.0.2.1:5669,back,role=db\r\n"
    );
    assert_eq!(listed(&["--fold", "@*", "--where", "zone=a"]), "web-[1-2]\n");
    assert_eq!(listed(&["--count", "@front,@back,n[1-10]"]), "13\n");
    assert_eq!(listed(&["--expand", "n[08-10]"]), "n08\nn09\nn10\n");
    site.good(&["hosts", "rename", "db-1", "store-1"]);
    assert!(site.good(&["hosts", "show", "store-1"]).contains("must prove   to be db-1"));
    site.good(&["hosts", "remove", "web-[2-8]"]);
    assert_eq!(listed(&["--fold"]), "store-1,web-1\n");
    for wrong in [
        &["hosts", "add", "web-1"][..],
        &["hosts", "add", "Web"],
        &["hosts", "add", "web-9", "--address", "a b"],
        &["hosts", "add", "web-9", "--label", "role"],
        &["hosts", "add", "web-9", "--group", "a b"],
        &["hosts", "remove", "web-[1-2]"],
        &["hosts", "rename", "web-2", "web-3"],
        &["hosts", "rename", "web-1", "store-1"],
        &["hosts", "label", "nobody", "a=b"],
        &["hosts", "show", "nobody"],
    ] {
        assert_eq!(site.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(listed(&["--fold"]), "store-1,web-1\n");
}
