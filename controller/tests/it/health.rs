//! Health checks of many hosts, with the built program: what monitoring systems read, and what is no check.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::declared::Workshop;
use crate::fleet::fleet;
use crate::site::{MASKS, Site, controller, text};

const ONLY: [&str; 6] = ["--only", "reachable,cert,disk", "--timeout", "500ms", "--disk", "100%"];

fn checked(site: &Site, words: &[&str]) -> (i32, String, String) {
    let output = site.run(&[&["check"], words, &ONLY].concat());
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_worst_come_first_where_somebody_sorts_by_state() {
    let site = fleet();
    let words = ["web-[1-4]", "--sort", "-state", "--columns", "state"];
    let (_, out, _) = checked(&site, &words);
    let rows: Vec<&str> = out.lines().skip(1).collect();
    assert!(rows[0].contains("web-4") && rows[3].contains("web-3"), "{out}");
    // A column that nobody shows is shown for it.
    let (_, alone, _) = checked(&site, &["web-[1-4]", "--sort", "-state"]);
    assert!(alone.lines().nth(1).unwrap().contains("web-4  CRITICAL  not reached: "), "{alone}");
    let refused = site.run(&["check", "web-[1-2]", "--sort", "state", "--output", "csv"]);
    assert!(text(&refused.stderr).contains("--sort is for the rows of a table"));
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
        &["web-4", "--output", "nagios"],
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
    assert_eq!(json["hosts"][3]["failure"]["kind"], "refused");
    let failures = json["summary"]["failures"].as_array().unwrap();
    let hosts: Vec<_> = failures.iter().map(|failure| failure["hosts"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["web-4", "web-5"]);
    let (_, csv, _) = checked(&site, &["web-[1,4]", "--output", "csv"]);
    let refused = csv.lines().find(|line| line.starts_with("web-4,CRITICAL,")).unwrap();
    assert!(refused.ends_with(" refused the connection\""), "{csv}");
    assert_eq!(site.run(&["uptime", "web-[1-2]", "--output", "nagios"]).status.code(), Some(2));
}

#[test]
fn what_is_no_text_is_no_panic() {
    let site = Site::new();
    let word = std::os::unix::ffi::OsStrExt::from_bytes(&b"\xff"[..]);
    let output = controller(&site.home(), &["check"]).arg::<&std::ffi::OsStr>(word).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let (code, out) = ended(&site, &["check", "json", "--bad"]);
    assert!(code == 3 && out.starts_with("UNKNOWN - "), "{out}");
}

#[test]
fn programs_read_what_can_be_checked() {
    let site = Site::new();
    let whole: Value = serde_json::from_str(&site.good(&["check", "--list", "--output", "json"])).unwrap();
    let each = site.good(&["check", "--list", "--output", "jsonl"]);
    let each: Vec<Value> = each.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let disk = whole["checks"].as_array().unwrap().iter().find(|listed| listed["check"] == "disk").unwrap();
    assert_eq!((&disk["thresholds"], &disk["always"]), (&"80%,90%".into(), &true.into()));
    assert!(each.iter().any(|line| line["check"] == "disk" && line["schema"] == "rollcall.checks/1"));
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
        ("[profile.front]\nfor = \"web-1,web[\"\n", "checks.toml: 2:17: profile.front.for: this bracket"),
    ] {
        fs::write(&file, written).unwrap();
        let output = site.run(&["check", "web-1"]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(3) && said.contains(fault), "{said}");
    }
    fs::write(&file, profile.to_owned() + "[profile.lab]\nfor = \"@lab\"\nload = true\n").unwrap();
    let output = site.run(&["check", "web-1"]);
    let (said, nobodys) =
        (text(&output.stderr), "checks.toml: profile.lab is nobody's: `@lab`, at character 1: ");
    assert!(output.status.code() == Some(1) && said.contains(nobodys), "{said}");
    assert_eq!(state(&["web-1", "--profile", "lab", "--only", "cert"]), (0, 1));
    let output = site.run(&["check", "web-1", "--profile", "fron"]);
    assert!(
        output.status.code() == Some(3) && text(&output.stderr).contains("front"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_machine_has_its_profile_at_whichever_port_it_is_asked() {
    let site = fleet();
    let known = text(&site.run(&["hosts", "show", "web-1"]).stdout);
    let port = known.lines().find_map(|line| line.strip_prefix("addresses")?.rsplit_once(':')).unwrap().1;
    for (profile, host) in [
        ("web-1", "web-1"),
        ("web-1", &format!("web-1:{port}")),
        ("web-1", "web-1:9"),
        ("web-1:9", "web-1:8"),
        ("192.0.2.1:5669", "192.0.2.1"),
    ] {
        let profiles = format!("[profile.one]\nfor = \"{profile}\"\nprocess = \"agent\"\n");
        fs::write(site.home().join("checks.toml"), profiles).unwrap();
        let (_, out) = ended(&site, &["check", host, "--output", "json", "--timeout", "100ms"]);
        assert!(out.contains("\"subject\": \"agent\""), "{host}: {out}");
    }
}

#[test]
fn what_is_written_stays_what_it_was() {
    let site = fleet();
    let path = |name: &str| site.path(name).to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(site.path("kept"), site.path("link")).unwrap();
    fs::write(site.path("kept"), "old").unwrap();
    let (_, _, said) = checked(&site, &["web-1", "--output", "junit", "--to", &path("link")]);
    assert!(site.path("link").is_symlink(), "{said}");
    assert!(fs::read_to_string(site.path("kept")).unwrap().starts_with("<?xml"));
    fs::remove_file(site.path("kept")).unwrap();
    let (code, _, said) = checked(&site, &["web-1", "--output", "junit", "--to", &path("link")]);
    assert!(code == 3 && site.path("link").is_symlink() && said.contains("leads nowhere"), "{said}");
    let pipe = path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    checked(&site, &["web-1", "--output", "junit", "--to", &pipe]);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    fs::write(site.path("mine"), "").unwrap();
    fs::set_permissions(site.path("mine"), fs::Permissions::from_mode(0o600)).unwrap();
    checked(&site, &["web-1", "--output", "junit", "--to", &path("mine")]);
    assert_eq!(fs::metadata(site.path("mine")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(reader.join().unwrap().starts_with("<?xml"));
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
    let home = site.home();
    let (code, out) = ended(&site, &["--home", home.to_str().unwrap(), "check", "web-1", "--disk", "9O%"]);
    assert!(
        code == 3 && out.starts_with("UNKNOWN - invalid value '9O%' for '--disk <WARN,CRIT>': "),
        "{out}"
    );
}

/// A host at which nothing listens.
pub(crate) fn gone() -> Site {
    let site = Site::new();
    let address = site.nowhere();
    site.issue("web-1", &address);
    site
}

fn ended(site: &Site, words: &[&str]) -> (i32, String) {
    let output = site.run(words);
    (output.status.code().unwrap(), text(&output.stdout))
}

#[test]
fn a_host_that_is_gone_is_critical_whatever_is_asked() {
    let site = gone();
    let (code, out) = ended(&site, &["check", "web-1", "--only", "load"]);
    assert!(code == 2 && out.contains("CRITICAL  reachable"), "{code}: {out}");
    let (code, out) = ended(&site, &["check", "web-1", "mail-queue"]);
    assert!(code == 3 && out.starts_with("UNKNOWN - "), "{code}: {out}");
}

#[test]
fn what_would_be_ignored_or_comes_to_nothing_asks_nobody() {
    let site = Site::new();
    let file = site.path("out");
    let file = file.to_str().unwrap();
    for (words, said) in [
        (&["mail", "--disk", "1%"][..], "NAME is a check that its owner declared"),
        (&["mail", "--only", "load"], "NAME is a check that its owner declared"),
        (&["mail", "--skip", "load"], "NAME is a check that its owner declared"),
        (&["--to", file], "--to is for --output nagios, prometheus and junit only"),
        (&["--to", file, "--output", "json"], ""),
        (
            &["--only", "load", "--disk", "1%"],
            "--disk says how to check it, and --only or --skip leaves it out",
        ),
        (&["--skip", "disk", "--disk", "1%"], "--disk says how to check it"),
        (&["--disk", "x", "--output", "json"], ""),
        (&["--only", "process"], "nothing is left to check on 192.0.2.1"),
        (&["--only", "disk", "--skip", "disk"], "nothing is left to check on 192.0.2.1"),
        (&["--disk", "90%,80%"], "WARN stands first"),
        (&["--uptime", "10m,1d"], "WARN stands first"),
        (&["--disk", "101"], "no share is larger than 100%"),
    ] {
        let (code, out) = ended(&site, &[&["check", "192.0.2.1"], words].concat());
        assert_eq!(code, 3, "{words:?}: {out}");
        assert!(said.is_empty() || out.starts_with("UNKNOWN - ") && out.contains(said), "{words:?}: {out}");
        assert_eq!(out.lines().count(), usize::from(!said.is_empty()), "{words:?}: {out}");
    }
    fs::write(site.home().join("checks.toml"), "[profile.none]\nfor = \"192.0.2.1\"\n").unwrap();
    let (code, out) = ended(&site, &["check", "192.0.2.1"]);
    assert!(code == 3 && out.contains("nothing is left"), "{out}");
}

#[test]
fn monitoring_reads_a_plugin_as_it_wrote_and_many_as_one() {
    let wrote = "MAIL WARNING - 7 wait | queue=7";
    let declared = format!("[check.mail]\nexec = [\"/bin/sh\", \"-c\", \"echo '{wrote}'; exit 1\"]\n");
    let shop = Workshop::declaring_under(&[], &declared);
    let (code, out) = ended(&shop.site, &["check", "web-1", "mail", "--output", "nagios"]);
    assert_eq!((code, out), (1, format!("{wrote}\n")));
    let gone = shop.site.nowhere();
    shop.site.issue("web-2", &gone);
    let (code, out) = ended(&shop.site, &["check", "web-2", "mail", "--output", "nagios"]);
    assert!(code == 3 && out.starts_with("UNKNOWN - "), "{code}: {out}");
    let (code, out) = ended(&shop.site, &["check", "web-[1-2]", "mail", "--output", "nagios"]);
    assert!(
        code == 1 && out.starts_with("ROLLCALL WARNING - hosts: 1 WARNING, 1 UNKNOWN | "),
        "{code}: {out}"
    );
    assert!(out.contains("WEB-1 WARNING - declared mail: MAIL WARNING - 7 wait\n"), "{out}");
}

#[test]
fn who_explains_to_many_ends_with_a_code_of_the_verb() {
    let declared = "[check.mail]\nexec = [\"/bin/true\"]\n[command.mail]\nexec = [\"/bin/true\"]\n[allow]\n\"*\" = [\"run:mail\", \"run:post\"]\n";
    let shop = Workshop::declaring_under(&[], declared);
    shop.site.issue("web-2", "127.0.0.1:1");
    let code = |verb: &str, hosts: &str, name: &str| ended(&shop.site, &[verb, hosts, name, "--explain"]).0;
    let twice = format!("web-1,{}", shop.agent.address);
    for (verb, not_declared, gone) in [("run", 127, 125), ("check", 3, 3)] {
        assert_eq!(code(verb, &twice, "mail"), 0);
        assert_eq!(code(verb, &twice, "post"), not_declared);
        assert_eq!(code(verb, "web-[1-2]", "mail"), gone);
    }
}

#[test]
fn a_range_below_nothing_is_typed_as_it_is() {
    let site = gone();
    let (code, out) = ended(&site, &["check", "web-1", "--load", "-1:1", "--disk", "-5:5"]);
    assert!(code == 2 && out.contains("refused the connection"), "{code}: {out}");
}

#[test]
fn lines_and_fold_say_a_report_in_one_line() {
    let site = gone();
    let (_, out) = ended(&site, &["check", "web-1", "--only", "load", "--output", "lines"]);
    assert!(out.starts_with("web-1: CRITICAL - not reached: ") && out.lines().count() == 1, "{out}");
    let (_, out) = ended(&site, &["check", "web-1", "--only", "load", "--output", "fold"]);
    assert!(out.lines().nth(3).unwrap().starts_with("CRITICAL - not reached: "), "{out}");
}

#[test]
fn who_is_not_reached_for_one_reason_is_told_once() {
    let site = gone();
    let other = site.nowhere();
    site.issue("web-2", &other);
    let output = site.run(&["check", "web-[1-2]", "--only", "load", "--output", "fold"]);
    let (out, said) = (text(&output.stdout), text(&output.stderr));
    assert!(out.lines().count() == 4 && out.contains("web-[1-2] (2)"), "{out}");
    assert!(out.contains("connect: it refused the connection"), "{out}");
    assert!(said.starts_with("controller: web-[1-2] (2): connect: it refused the connection"), "{said}");
    assert!(said.ends_with("2 refused (web-[1-2])\n"), "{said}");
    assert_eq!(site.good(&["hosts", "list", "--fold", "@last:failed"]), "web-[1-2]\n");
}

#[test]
fn where_somebody_was_not_asked_no_monitoring_reads_of_the_others() {
    let site = fleet();
    let file = site.path("rollcall.prom");
    let careful = ["web-[4,1-3]", "--jobs", "1", "--max-fail", "1", "--output"];
    let to = ["prometheus", "--to", file.to_str().unwrap()];
    let (code, out, said) = checked(&site, &[&careful[..], &to].concat());
    assert_eq!((code, out.as_str(), file.exists()), (2, "", false));
    assert!(said.contains("3 not done (web-[1-3])"), "{said}");
    let (code, out, _) = checked(&site, &[&careful[..], &["nagios"]].concat());
    let line = "CRITICAL - 3 of 4 hosts were not asked, or did not end: web-[1-3]\n";
    assert_eq!((code, out.as_str()), (2, line));
    let to = ["nagios", "--to", file.to_str().unwrap()];
    assert_eq!(checked(&site, &[&careful[..], &to].concat()).1, "");
    assert_eq!(fs::read_to_string(&file).unwrap(), line);
}

#[test]
fn a_slip_at_this_desk_says_nothing_of_a_host() {
    let site = gone();
    fs::write(site.home().join("hosts.toml"), "[hosts.web-1]\nport = 0\n").unwrap();
    let (code, out) = ended(&site, &["check", "web-1", "--output", "nagios"]);
    assert!(code == 3 && out.starts_with("WEB-1 UNKNOWN - not reached: "), "{code}: {out}");
}
