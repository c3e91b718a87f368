//! Declared checks and commands, with the built programs: what runs, what does not, and that nothing of it is left.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::foundling::{Foundling, agent_program};
use crate::site::{Site, controller, not_run, only_for_their_owner, text};

/// A home, and an agent `web-1` of it in processes of its own.
struct Workshop {
    site: Site,
    agent: Foundling,
    config: PathBuf,
}

impl Workshop {
    /// What is declared may use `DIR`, a folder of the test's own.
    fn declaring(declared: &str) -> Workshop {
        let site = Site::new();
        let bundle = site.path("web-1.bundle");
        let state = Rc::new(tempfile::tempdir().unwrap());
        let config = site.path("agent.toml");
        site.good(&["issue", "web-1", "--address", "127.0.0.1:1", "--out", bundle.to_str().unwrap()]);
        write(&config, &declared.replace("DIR", site.folder.path().to_str().unwrap()));
        let agent = begin(&state, &config, &bundle, "127.0.0.1:0");
        let hosts = site.home().join("hosts.toml");
        let known = fs::read_to_string(&hosts).unwrap().replace("127.0.0.1:1", &agent.address);
        fs::write(&hosts, known).unwrap();
        Workshop { site, agent, config }
    }

    /// The same, begun once more.
    fn again(self) -> Workshop {
        let Workshop { site, agent, config } = self;
        let (state, bundle, address) =
            (Rc::clone(&agent.state), site.path("web-1.bundle"), agent.address.clone());
        drop(agent);
        let agent = begin(&state, &config, &bundle, &address);
        Workshop { site, agent, config }
    }

    fn said(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.site.run(words);
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// What bash would be told to offer for the last of these words.
    fn offered(&self, words: &[&str]) -> Vec<String> {
        let mut command = controller(&self.site.home(), &[&["--", "controller"], words].concat());
        let command = command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        let offered = text(&command.env("_CLAP_IFS", "\n").output().unwrap().stdout);
        offered.lines().filter(|word| !word.starts_with('-')).map(str::to_owned).collect()
    }

    /// Waits until none of the test's own programs is left, which must be soon.
    fn all_are_gone(&self) -> bool {
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            if left_in(self.site.folder.path()).is_empty() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    fn runner(&self) -> Pid {
        let pid = self.agent.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Pid::from_raw(children.trim().parse().unwrap()).unwrap()
    }
}

fn begin(state: &Rc<TempDir>, config: &Path, bundle: &Path, listen: &str) -> Foundling {
    let [config, bundle] = [config, bundle].map(|path| path.to_str().unwrap());
    let flags = ["--listen", listen, "--config", config, "--identity", bundle];
    Foundling::start(state, &[], &flags).expect("the agent did not begin")
}

/// For its owner alone to write, whatever the umask.
fn write(file: &Path, contents: &str) {
    fs::write(file, contents).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
}

/// A script for the shell that runs as a program.
fn script(file: &Path, contents: &str) {
    write(file, &format!("#!/bin/sh\n{contents}\n"));
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The processes in whose words this folder stands, but for the agent's own.
fn left_in(folder: &Path) -> Vec<String> {
    let words = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&words).replace('\0', " "))
    });
    let marked = format!("{}/", folder.display());
    words
        .filter(|words| words.contains(&marked) && !words.contains("agent ") && !words.contains("agent.toml"))
        .collect()
}

/// Commands that end in every way there is.
const ENDINGS: &str = r#"
[allow]
alice = ["run:both", "run:signal", "run:slow", "run:gone", "run:mode", "run:much", "run:env", "run:none", "run:empty", "run:sleeps"]
[command.both]
exec = ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]
[command.signal]
exec = ["/bin/sh", "-c", "kill -9 $$"]
[command.slow]
exec = ["/bin/sh", "-c", "echo begun; exec sleep 100"]
timeout = "300ms"
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
    }
    assert_eq!(workshop.said(&["run", "nowhere.invalid", "both"]).0, 125);
    for words in [&["web-1"][..], &["web-1", "both", "no-value"], &["web-1", "both", "x=1", "x=2"]] {
        assert_eq!(workshop.said(&[&["run"], words].concat()).0, 125, "{words:?}");
        let (code, output, _) = workshop.said(&[&["check"], words].concat());
        assert!(code == 3 && output.starts_with("UNKNOWN - "), "{words:?}: {output}");
    }
    let began = Instant::now();
    assert_eq!(workshop.said(&["run", "web-1", "sleeps", "--timeout", "200ms"]).0, 125);
    assert!(began.elapsed() < Duration::from_secs(5), "whoever says how long waits no longer");
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

/// Forks twice, leaves its session, holds the outputs, and does not heed SIGTERM.
const HIDES: &str = r#"
trap '' TERM
setsid sh -c "trap '' TERM; DIR/nap 1 & DIR/nap 2; true" &
(DIR/nap 3 &)
DIR/nap 4
true"#;

fn hiding() -> Workshop {
    let workshop = Workshop::declaring(
        r#"
        [allow]
        alice = ["run:hides", "run:limited", "run:leaves", "run:zombies"]
        [command.hides]
        exec = ["DIR/hides"]
        [command.limited]
        exec = ["DIR/hides"]
        timeout = "300ms"
        [command.leaves]
        exec = ["DIR/leaves"]
        [command.zombies]
        exec = ["DIR/zombies"]
        "#,
    );
    let folder = workshop.site.folder.path();
    script(&folder.join("nap"), "while :; do sleep 5; done");
    script(&folder.join("hides"), &HIDES.replace("DIR", folder.to_str().unwrap()));
    script(&folder.join("leaves"), &format!("(setsid {}/nap 5 &) ; echo done", folder.display()));
    script(&folder.join("zombies"), "for i in 1 2 3 4 5 6 7 8; do sleep 0 & done; exec sleep 0.1");
    workshop
}

fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

#[test]
fn whatever_came_from_a_command_ends_with_it() {
    let workshop = hiding();
    let folder = workshop.site.folder.path();
    assert_eq!(workshop.said(&["run", "web-1", "limited"]).0, 124);
    assert!(workshop.all_are_gone(), "{:?}", left_in(folder));
    let (code, output, _) = workshop.said(&["run", "web-1", "leaves"]);
    assert_eq!((code, output.as_str()), (0, "done\n"));
    assert!(workshop.all_are_gone(), "{:?}", left_in(folder));

    // Ctrl-C, a controller that is killed, and one that only goes away.
    for signal in [Signal::INT, Signal::KILL, Signal::TERM] {
        let mut running = controller(&workshop.site.home(), &["run", "web-1", "hides"]);
        let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until(|| {
            (1..=4).all(|nap| left_in(folder).iter().any(|words| words.contains(&format!("nap {nap}"))))
        });
        kill_process(Pid::from_child(&running), signal).unwrap();
        let code = running.wait().unwrap().code();
        assert_eq!(code, (signal == Signal::INT).then_some(130));
        assert!(workshop.all_are_gone(), "{signal:?}: {:?}", left_in(folder));
    }
    assert_eq!(workshop.said(&["run", "web-1", "zombies"]).0, 0);
    let runner = workshop.runner().as_raw_nonzero();
    let left = fs::read_to_string(format!("/proc/{runner}/task/{runner}/children")).unwrap();
    assert_eq!(left, "", "nothing is left, dead or alive");
}

#[test]
fn when_the_agent_goes_all_of_it_goes() {
    let mut workshop = hiding();
    let mut running = controller(&workshop.site.home(), &["run", "web-1", "hides"]);
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| left_in(workshop.site.folder.path()).iter().any(|words| words.contains("nap 4")));
    kill_process(Pid::from_child(&workshop.agent.child), Signal::KILL).unwrap();
    workshop.agent.child.wait().unwrap();
    running.wait().unwrap();
    let folder = workshop.site.folder.path();
    until(|| left_in(folder).is_empty());
}

#[test]
fn an_agent_that_has_lost_its_runner_ends_and_says_so() {
    let mut workshop = hiding();
    kill_process(workshop.runner(), Signal::KILL).unwrap();
    assert_eq!(workshop.agent.child.wait().unwrap().code(), Some(1));
}

/// A check with a parameter of each type.
const OF_EACH_TYPE: &str = r#"
[check.number]
exec = ["DIR/print", "{value}"]
parameter.value.integer = [-5, 100]
[check.word]
exec = ["DIR/print", "--word={value}", "after"]
parameter.value.one_of = ["yes", "no thanks"]
[check.text]
exec = ["DIR/print", "{value}"]
parameter.value.regex = "^[a-z;$()` ]+$"
[check.path]
exec = ["DIR/print", "{value}"]
parameter.value.beneath = "DIR/inside"
"#;

#[test]
fn what_is_hostile_never_becomes_more_than_one_argument() {
    let workshop = Workshop::declaring(OF_EACH_TYPE);
    let folder = workshop.site.folder.path();
    script(&folder.join("print"), r#"for word in "$@"; do printf '<%s>' "$word"; done"#);
    fs::create_dir(folder.join("inside")).unwrap();
    fs::write(folder.join("inside/file"), "").unwrap();
    std::os::unix::fs::symlink("/etc", folder.join("inside/link")).unwrap();
    let inside = folder.join("inside/file").canonicalize().unwrap();
    let canary = folder.join("canary");
    let touch = format!("touch {}", canary.display());
    let asked =
        |check: &str, value: &str| workshop.said(&["check", "web-1", check, &format!("value={value}")]);
    for (check, value, printed) in [
        ("number", "-5", "<-5>".to_owned()),
        ("word", "no thanks", "<--word=no thanks><after>".to_owned()),
        ("text", "$(id) `id`; a", "<$(id) `id`; a>".to_owned()),
        ("path", "file", format!("<{}>", inside.display())),
    ] {
        let (code, output, errors) = asked(check, value);
        assert_eq!((code, output.trim_end()), (0, printed.as_str()), "{check}: {errors}");
    }
    let commands = [format!("; {touch}"), format!("$({touch})"), format!("`{touch}`"), format!("a\n{touch}")];
    let hostile =
        ["", "a\n", "-rf", "--help", "../print", "/etc/passwd", "link/passwd", "\u{430}", "１", "a\u{202e}"];
    let long = "a".repeat(5000);
    let all = hostile.iter().copied().chain(commands.iter().map(String::as_str)).chain([long.as_str()]);
    for value in all {
        for check in ["number", "word", "text", "path"] {
            let (code, output, errors) = asked(check, value);
            assert_eq!(code, 3, "{check} took {value:?}: {output}");
            assert!(errors.contains("parameter \"value\": "), "{check} {value:?}: {errors}");
        }
    }
    for words in [&["check", "web-1", "number"][..], &["check", "web-1", "number", "value=1", "more=1"]] {
        let (code, _, errors) = workshop.said(words);
        assert!(code == 3 && errors.contains("parameter \""), "{errors}");
    }
    assert!(!canary.exists());
}

#[test]
fn only_what_was_pinned_and_what_nobody_else_can_change_is_started() {
    let workshop = Workshop::declaring(
        r#"
        [allow]
        alice = ["run:pinned", "run:open"]
        [command.pinned]
        exec = ["DIR/pinned"]
        sha256 = "9d4b0f5f4ea4bf0ccbd6fca0a7f29a28b6a8ac5e9fbb1f8f5e7d5d4f3a5a5a5a"
        [command.open]
        exec = ["DIR/open"]
        "#,
    );
    let folder = workshop.site.folder.path();
    script(&folder.join("pinned"), "echo it is me");
    script(&folder.join("open"), "echo open");
    let (code, _, errors) = workshop.said(&["run", "web-1", "pinned"]);
    assert!(code == 125 && errors.contains("its SHA-256 is "), "{errors}");
    let (_, rest) = errors.split_once("its SHA-256 is ").unwrap();
    let found = rest.split(',').next().unwrap();
    let config = fs::read_to_string(&workshop.config).unwrap();
    let (before, after) =
        config.split_once("9d4b0f5f4ea4bf0ccbd6fca0a7f29a28b6a8ac5e9fbb1f8f5e7d5d4f3a5a5a5a").unwrap();
    write(&workshop.config, &format!("{before}{found}{after}"));
    kill_process(Pid::from_child(&workshop.agent.child), Signal::HUP).unwrap();
    until(|| workshop.said(&["run", "web-1", "pinned"]).0 == 0);
    assert_eq!(workshop.said(&["run", "web-1", "pinned"]).1, "it is me\n");
    // Another file under the same name, and another content.
    script(&folder.join("other"), "echo it is me, or am I");
    fs::rename(folder.join("other"), folder.join("pinned")).unwrap();
    let (code, output, _) = workshop.said(&["run", "web-1", "pinned"]);
    assert_eq!((code, output.as_str()), (125, ""));

    assert_eq!(workshop.said(&["run", "web-1", "open"]).0, 0);
    fs::set_permissions(folder.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, errors) = workshop.said(&["run", "web-1", "open"]);
    assert!(code == 125 && errors.contains("others can write "), "{errors}");
    let checked = workshop.agent.agent(&["check-config", "--config", workshop.config.to_str().unwrap()]);
    assert!(text(&checked.stderr).contains("command.open: others can write "), "{}", text(&checked.stderr));
}

#[test]
fn a_reload_takes_all_that_is_declared_or_keeps_all_of_the_old() {
    let workshop = Workshop::declaring("[check.one]\nexec = [\"/bin/echo\", \"first\"]\n");
    let checked = |name: &str| workshop.said(&["check", "web-1", name]);
    let hangup = || kill_process(Pid::from_child(&workshop.agent.child), Signal::HUP).unwrap();
    assert_eq!(checked("one").1, "first\n");
    let more = workshop.site.path("agent.d");
    fs::create_dir(&more).unwrap();
    write(&more.join("10-more.toml"), "[check.two]\nexec = [\"/bin/echo\", \"second\"]\n");
    write(&more.join("ignored.txt"), "rubbish");
    hangup();
    until(|| checked("two").0 == 0);
    write(
        &workshop.config,
        "[check.one]\nexec = [\"/bin/echo\", \"changed\"]\n[check.three]\nexec = [\"echo\"]\n",
    );
    hangup();
    // A further reload tells that the one before is over.
    write(&workshop.config, "[check.one]\nexec = [\"/bin/echo\", \"third\"]\n");
    hangup();
    until(|| checked("one").1 != "first\n");
    assert_eq!(checked("one").1, "third\n");
    assert_eq!(checked("two").1, "second\n");
    write(&more.join("20-twice.toml"), "[check.one]\nexec = [\"/bin/echo\"]\n");
    let told = workshop.agent.agent(&["check-config", "--config", workshop.config.to_str().unwrap()]);
    assert!(text(&told.stderr).contains("20-twice.toml: check.one: an earlier file declares it too"));
}

#[test]
fn a_hundred_checks_at_once_wait_for_their_turn_and_none_is_lost() {
    let workshop =
        Workshop::declaring("[check.turn]\nmax_running = 3\nexec = [\"DIR/turn\"]\ntimeout = \"20s\"\n");
    let folder = workshop.site.folder.path();
    let log = folder.join("log");
    let words = format!("echo + >> {0}; sleep 0.02; echo - >> {0}; echo OK", log.display());
    script(&folder.join("turn"), &words);
    let ask = || {
        controller(&workshop.site.home(), &["check", "web-1", "turn"]).stdout(Stdio::null()).spawn().unwrap()
    };
    let asking: Vec<Child> = (0..100).map(|_| ask()).collect();
    for mut asked in asking {
        assert_eq!(asked.wait().unwrap().code(), Some(0));
    }
    let (mut running, mut most) = (0, 0);
    for line in fs::read_to_string(log).unwrap().lines() {
        running += if line == "+" { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!((running, most), (0, 3));
}

#[test]
fn a_gigabyte_passes_through_and_a_slow_reader_makes_its_writer_wait() {
    let workshop = Workshop::declaring(
        "[allow]\nalice = [\"run:flood\"]\n[command.flood]\nexec = [\"/usr/bin/head\", \"-c\", \"1073741824\", \"/dev/zero\"]\nmax_output = \"2GiB\"\n",
    );
    let mut running = controller(&workshop.site.home(), &["run", "web-1", "flood"]);
    let mut running = running.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = running.stdout.take().unwrap();
    let memory = || {
        let pids = [workshop.agent.child.id(), running.id()];
        pids.map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB").trim();
            line.split(' ').next().unwrap().parse::<u64>().unwrap()
        })
    };
    let mut read = 0;
    let mut bytes = vec![0; 1 << 20];
    while read < 256 << 20 {
        read += output.read(&mut bytes).unwrap();
    }
    let midway = memory();
    loop {
        match output.read(&mut bytes).unwrap() {
            0 => break,
            more => read += more,
        }
        if read > 900 << 20 && read < 901 << 20 {
            assert!(memory().into_iter().all(|most| most < 64 << 10), "{midway:?} {:?} KiB", memory());
        }
    }
    assert_eq!(read, 1 << 30);
    assert_eq!(running.wait().unwrap().code(), Some(0));
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
fn what_was_nrpes_is_declared_and_taken() {
    let workshop = Workshop::declaring("");
    let nrpe = workshop.site.path("nrpe.cfg");
    let commands =
        "command[check_echo]=/bin/echo \"OK - {$ARG1$}\" 'a  b'\ncommand[check_piped]=/bin/ps | wc -l\n";
    fs::write(&nrpe, format!("command_timeout=20\n{commands}")).unwrap();
    let import = agent_program(&["import-nrpe", nrpe.to_str().unwrap()]);
    let said = text(&import.stderr);
    assert!(
        import.status.success() && said.contains("command[check_piped]: it needs a shell, for a pipe"),
        "{said}"
    );
    let more = workshop.site.path("agent.d");
    fs::create_dir(&more).unwrap();
    write(&more.join("nrpe.toml"), &text(&import.stdout));
    let told = workshop.agent.agent(&["check-config", "--config", workshop.config.to_str().unwrap()]);
    assert!(told.status.success(), "{}", text(&told.stderr));
    // Nothing was declared when it began, so there is nobody who could start this.
    kill_process(Pid::from_child(&workshop.agent.child), Signal::HUP).unwrap();
    let agent = workshop.again();
    let (code, output, _) = agent.said(&["check", "web-1", "check-echo", "arg1=x y"]);
    assert_eq!((code, output.as_str()), (0, "OK - {x y} a  b\n"));
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
