//! How programs end, and what is said of it.

use super::*;

/// Commands that end in every way there is.
const ENDINGS: &str = r#"
[allow]
alice = ["run:both", "run:signal", "run:slow", "run:gone", "run:mode", "run:much", "run:env", "run:none", "run:empty", "run:sleeps", "run:talks"]
[command.both]
exec = ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]
[command.signal]
exec = ["/bin/sh", "-c", "kill -9 $$"]
[command.slow]
exec = ["/bin/sh", "-c", "echo begun; exec sleep 100"]
timeout = "300ms"
[command.talks]
exec = ["/bin/sh", "-c", "while sleep 0.05; do echo again; done"]
[command.sleeps]
exec = ["/bin/sleep", "9"]
[command.gone]
exec = ["DIR/none"]
[command.mode]
exec = ["DIR/hosts"]
[command.much]
exec = ["/bin/sh", "-c", "head -c 5000 /dev/zero; head -c 3000 /dev/zero >&2"]
max_output = "4KiB"
[command.env]
exec = ["/usr/bin/env"]
env = { LANG = "C", GREETING = "hello there" }
[command.empty]
exec = ["DIR/empty"]
[command.secret]
exec = ["/bin/true"]
"#;

#[test]
fn a_commands_outputs_come_apart_and_its_code_is_the_controllers() {
    let workshop = Workshop::declaring(ENDINGS);
    write(&workshop.site.path("hosts"), "no program");
    write(&workshop.site.path("empty"), "\u{1}no program either");
    fs::set_permissions(workshop.site.path("empty"), fs::Permissions::from_mode(0o755)).unwrap();
    let said = |name: &str| workshop.said(&["run", "web-1", name]);
    assert_eq!(said("both"), (7, "out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(said("env"), (0, "GREETING=hello there\nLANG=C\n".to_owned(), String::new()));
    let (code, _, errors) = said("signal");
    assert!(code == 137 && errors.contains("signal 9 ended it"), "{code} {errors}");
    let (code, output, errors) = said("slow");
    assert!(
        code == 124 && output == "begun\n" && errors.contains("did not end in its time"),
        "{code} {errors}"
    );
    let (code, output, errors) = said("much");
    assert_eq!(code, 0);
    let zeros = errors.bytes().filter(|byte| *byte == 0).count();
    assert_eq!(output.len() + zeros, 4096);
    assert!(errors.contains("cut: 4.0 KiB of 7.8 KiB were sent"), "{errors}");
    for (name, code, why) in [
        ("gone", 125, "there is no such file"),
        ("mode", 125, "it is not executable"),
        ("empty", 125, "it is no program for this machine"),
        ("none", 127, "declared no command \"none\""),
        ("secret", 126, "`run:secret` is not granted to alice"),
        ("undeclared", 126, "`run:undeclared` is not granted to alice"),
    ] {
        let (found, _, errors) = said(name);
        assert!(found == code && errors.contains(why), "{name}: {found} {errors}");
        // What only the kernel can say is found out by starting it.
        if name != "empty" {
            let (found, plan, errors) = workshop.said(&["run", "web-1", name, "--explain"]);
            assert!(found == code && errors.contains(why) && plan.is_empty(), "{name}: {found} {errors}");
        }
    }
    let lines = workshop.site.good(&["run", "web-1", "env", "--output", "jsonl"]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["answer"]["to"], "output");
    assert_eq!(lines.last().unwrap()["answer"]["ended"]["code"], 0);
    let log = fs::read_to_string(workshop.agent.state.path().join("audit/current.jsonl")).unwrap();
    let both = r#""request":"run","with":{"name":"both"},"outcome":"ended""#;
    assert!(log.lines().any(|line| line.contains(both) && line.contains(r#""program":{"code":7,"#)), "{log}");
    let caps = workshop.site.good(&["caps", "web-1"]);
    assert!(caps.contains("controller run web-1 both") && !caps.contains("secret"), "{caps}");
    only_for_their_owner(&workshop.site.home());
    assert_eq!(workshop.offered(&["info", ""]), ["web-1"]);
    assert_eq!(workshop.offered(&["run", "web-1", "s"]), ["signal", "sleeps", "slow"]);
    assert!(workshop.offered(&["check", "web-1", "s"]).is_empty());
}

#[test]
fn real_plugins_work_as_they_are() {
    const FOLDER: &str = "/usr/lib/nagios/plugins";
    if !Path::new(FOLDER).join("check_load").exists() {
        not_run("checks with Debian's monitoring plugins: monitoring-plugins-basic is not installed");
        return;
    }
    let workshop = Workshop::declaring(
        r#"
        [check.load]
        exec = ["/usr/lib/nagios/plugins/check_load", "-w", "{warn}", "-c", "1000,1000,1000"]
        parameter.warn.regex = "[0-9.,]+"
        [check.users]
        exec = ["/usr/lib/nagios/plugins/check_users", "-w", "100", "-c", "200"]
        [check.dummy]
        exec = ["/usr/lib/nagios/plugins/check_dummy", "{state}", "as told"]
        parameter.state.integer = [0, 3]
        "#,
    );
    let (code, output, _) = workshop.said(&["check", "web-1", "load", "warn=1000,1000,1000"]);
    assert!(code == 0 && output.contains("OK - ") && output.contains("|load1="), "{output}");
    assert_eq!(workshop.said(&["check", "web-1", "load", "warn=0,0,0"]).0, 1);
    assert_eq!(workshop.said(&["check", "web-1", "users"]).0, 0);
    for (state, word) in ["OK", "WARNING", "CRITICAL", "UNKNOWN"].into_iter().enumerate() {
        let (code, output, _) = workshop.said(&["check", "web-1", "dummy", &format!("state={state}")]);
        assert_eq!((code, output), (i32::try_from(state).unwrap(), format!("{word}: as told\n")));
    }
}

#[test]
fn who_is_started_as_root_starts_as_whom_the_owner_named() {
    if !rustix::process::geteuid().is_root() {
        not_run("a command as another user: these tests are not run as root");
        return;
    }
    let workshop = Workshop::declaring(
        "[allow]\nalice = [\"run:id\", \"run:id-of-root\"]\n\
         [command.id]\nexec = [\"/usr/bin/id\", \"-un\"]\nuser = \"nobody\"\n\
         [command.id-of-root]\nexec = [\"/usr/bin/id\", \"-Gn\"]\n",
    );
    assert_eq!(workshop.said(&["run", "web-1", "id"]).1, "nobody\n");
    assert!(workshop.said(&["run", "web-1", "id-of-root"]).1.contains("root"));
    // Also from inside the sandbox it can be read who that is.
    let more =
        fs::read_to_string(&workshop.config).unwrap() + "[check.more]\nexec = [\"/bin/echo\", \"more\"]\n";
    write(&workshop.config, &more);
    kill_process(Pid::from_child(&workshop.agent.child), Signal::HUP).unwrap();
    until(|| workshop.said(&["check", "web-1", "more"]).0 == 0);
}

#[test]
fn another_user_has_his_own_groups_and_none_of_roots() {
    // Of this machine's groups nothing is known: the agent sees others, and has some of its own.
    let groups = tempfile::NamedTempFile::new().unwrap();
    let known = "root:x:0:\nown:x:4242:nobodyx\nteam:x:4343:daemon,nobody\nmore:x:4444:nobody\n";
    fs::write(groups.path(), known).unwrap();
    let words =
        format!("mount --bind {} /etc/group && exec setpriv --groups 0,4242 \"$@\"", groups.path().display());
    let wrap = ["unshare", "--mount", "/bin/sh", "-c", &words, "sh"];
    let can = std::process::Command::new(wrap[0]).args(&wrap[1..]).arg("true").output();
    if !can.is_ok_and(|can| can.status.success()) {
        return not_run("the groups of another user: these tests cannot mount here, or have no setpriv");
    }
    let workshop = Workshop::declaring_under(
        &wrap,
        "[allow]\nalice = [\"run:groups\", \"run:own\", \"run:inside\"]\n\
         [command.groups]\nexec = [\"/usr/bin/id\", \"-G\"]\nuser = \"nobody\"\n\
         [command.own]\nexec = [\"/usr/bin/id\", \"-G\"]\n\
         [command.inside]\nexec = [\"/bin/pwd\"]\nuser = \"nobody\"\nfolder = \"DIR/private\"\n",
    );
    let private = workshop.site.path("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let primary = text(&std::process::Command::new("id").args(["-g", "nobody"]).output().unwrap().stdout);
    let said = |name: &str| workshop.said(&["run", "web-1", name]);
    assert_eq!(said("groups").1, format!("{} 4343 4444\n", primary.trim()));
    assert_eq!(said("own").1, "0 4242\n");
    let (code, _, errors) = said("inside");
    assert!(
        code == 125 && errors.contains("nobody may not execute it, or what it needs, or not enter "),
        "{errors}"
    );
}

#[test]
fn a_user_who_stops_his_own_next_job_stops_nobody_elses() {
    if !rustix::process::geteuid().is_root() {
        return not_run("jobs of another user: only root may start them");
    }
    let workshop = Workshop::declaring(
        r#"
        [check.stops]
        exec = ["DIR/stops"]
        user = "nobody"
        timeout = "4s"
        [check.his]
        exec = ["/bin/true"]
        user = "nobody"
        timeout = "1s"
        [check.ours]
        exec = ["/bin/true"]
        "#,
    );
    let folder = workshop.site.folder.path();
    // Whoever is a child of the runner beside itself, as soon as this user may do it something.
    let words = "runner=$PPID; echo > {0}/log/begun; while :; do for child in $(cat /proc/$runner/task/$runner/children); do\n\
                 [ $child = $$ ] || kill -STOP $child; done; done 2> /dev/null";
    script(&folder.join("stops"), &words.replace("{0}", folder.to_str().unwrap()));
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.join("log")).unwrap();
    fs::set_permissions(folder.join("log"), fs::Permissions::from_mode(0o777)).unwrap();
    let mut stops = controller(&workshop.site.home(), &["check", "web-1", "stops"]);
    let mut stops = stops.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| folder.join("log/begun").exists());
    for _ in 0..3 {
        let (code, _, said) = workshop.said(&["check", "web-1", "his", "--timeout", "10s"]);
        assert!(code == 0 || code == 3, "{said}");
        let began = Instant::now();
        assert_eq!(workshop.said(&["check", "web-1", "ours"]).0, 0);
        assert!(began.elapsed() < Duration::from_secs(3), "nobody waits for what is stopped");
    }
    stops.wait().unwrap();
    assert!(workshop.all_are_gone());
}

#[test]
fn whatever_is_in_the_way_has_a_code_of_its_own() {
    let workshop = Workshop::declaring(ENDINGS);
    assert_eq!(workshop.said(&["run", "nowhere.invalid", "both"]).0, 125);
    assert_eq!(workshop.said(&["run", "web-1"]).0, 125);
    for words in [&["web-1", "both", "no-value"][..], &["web-1", "both", "x=1", "x=2"]] {
        assert_eq!(workshop.said(&[&["run"], words].concat()).0, 125, "{words:?}");
        let (code, output, _) = workshop.said(&[&["check"], words].concat());
        assert!(code == 3 && output.starts_with("UNKNOWN - "), "{words:?}: {output}");
    }
    let began = Instant::now();
    assert_eq!(workshop.said(&["run", "web-1", "sleeps", "--timeout", "200ms"]).0, 124);
    // What writes again and again has no more time for that.
    for many in [&[][..], &["--output", "lines"]] {
        let (code, output, errors) =
            workshop.said(&[&["run", "web-1", "talks", "--timeout", "500ms"], many].concat());
        assert!(code == 124 && output.contains("again"), "{code}: {output}");
        assert!(errors.contains("it did not end within 500ms"), "{errors}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "whoever says how long waits no longer");
}

#[test]
fn a_program_that_misbehaves_harms_nobody_else() {
    let workshop = Workshop::declaring(
        r#"
        [check.floods]
        exec = ["/usr/bin/yes"]
        timeout = "2s"
        [check.hangs]
        exec = ["/bin/sleep", "1000"]
        timeout = "2s"
        [check.closes]
        exec = ["/bin/sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 2"]
        [check.dies]
        exec = ["/bin/sh", "-c", "kill -SEGV $$"]
        [check.silent]
        exec = ["/bin/true"]
        "#,
    );
    let begin = |name: &str| {
        let mut asked = controller(&workshop.site.home(), &["check", "web-1", name]);
        (name.to_owned(), asked.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    };
    let asked: Vec<(String, Child)> =
        ["floods", "floods", "hangs", "hangs", "closes", "dies", "silent"].map(begin).into_iter().collect();
    for _ in 0..5 {
        workshop.site.good(&["uptime", "web-1"]);
        assert_eq!(workshop.said(&["check", "web-1", "silent"]).0, 0);
    }
    for (name, asked) in asked {
        let output = asked.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (code, begins) = match name.as_str() {
            "floods" | "hangs" => (3, "UNKNOWN - it did not end within 2"),
            "closes" => (2, "CRITICAL - it ended with 2 and said nothing"),
            "dies" => (3, "UNKNOWN - signal 11 ended it"),
            _ => (0, "OK - it ended with 0 and said nothing"),
        };
        assert_eq!(output.status.code(), Some(code), "{name}");
        assert!(said.starts_with(begins), "{name}: {said:.200}");
    }
}

#[test]
fn a_program_gets_nothing_of_what_the_agent_was_started_with() {
    let workshop = Workshop::declaring_under(
        // As a shell starts something in the background, with a file open and more descriptors than usual.
        &["/bin/sh", "-c", "trap '' QUIT HUP; exec 9</dev/null; exec \"$@\"", "sh"],
        r#"
        [allow]
        alice = ["run:descriptors", "run:signals", "run:limit", "run:terminal"]
        [command.descriptors]
        exec = ["/bin/ls", "/proc/self/fd"]
        [command.signals]
        exec = ["/bin/grep", "-E", "SigBlk|SigIgn", "/proc/self/status"]
        [command.limit]
        exec = ["/bin/sh", "-c", "ulimit -Sn"]
        [command.terminal]
        exec = ["/bin/sh", "-c", ": </dev/tty"]
        "#,
    );
    assert_eq!(workshop.said(&["run", "web-1", "descriptors"]).1, "0\n1\n2\n3\n");
    let (_, signals, _) = workshop.said(&["run", "web-1", "signals"]);
    let sets = signals.split_whitespace().filter_map(|word| u64::from_str_radix(word, 16).ok());
    // Two beyond those are the C library's own, which nobody may touch.
    assert_eq!(sets.map(|set| set & 0x7fff_ffff).collect::<Vec<_>>(), [0, 0], "{signals}");
    let usual = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap();
    assert_eq!(workshop.said(&["run", "web-1", "limit"]).1.trim(), usual.to_string());
    assert_ne!(workshop.said(&["run", "web-1", "terminal"]).0, 0);
}
