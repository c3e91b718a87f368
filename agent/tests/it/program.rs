//! The built program from outside: what it says, how it ends, and what it keeps to itself.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use certs::store::Existing;
use certs::{Algorithm, Authority, Grant, Identity, Validity};
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;

use crate::site::agent_credentials;

/// A running agent; ended when dropped.
pub(crate) struct Running {
    child: Child,
    log: Option<BufReader<ChildStderr>>,
    folder: TempDir,
    pub(crate) authority: Authority,
}

impl Running {
    pub(crate) fn start(wrap: &[&str], more: &[&str]) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let bundle = folder.path().join("web-1.bundle");
        agent_credentials(&authority, "web-1").save(&bundle, Existing::Keep).unwrap();
        let words =
            [wrap, &[env!("CARGO_BIN_EXE_agent"), "run", "--listen", "127.0.0.1:0", "--identity"]].concat();
        let state = folder.path().join("state");
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(&bundle).arg("--state").arg(state).args(more).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Some(BufReader::new(child.stderr.take().unwrap()));
        Running { child, log, folder, authority }
    }

    /// The next line of the log that holds `text`.
    pub(crate) fn line(&mut self, text: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.log.as_mut().unwrap().read_line(&mut line).unwrap(),
                0,
                "the agent ended without saying {text:?}"
            );
            if line.contains(text) {
                return line;
            }
        }
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub(crate) fn address(&mut self) -> String {
        let line = self.line(" is ready on ");
        let (_, address) = line.split_once(" is ready on ").unwrap();
        address.split(';').next().unwrap().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The rest of the log, and the exit code.
    fn end(&mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.log.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_agent")).args(words).output().unwrap()
}

fn said(bytes: &[u8], folder: &Path) -> String {
    String::from_utf8(bytes.to_vec()).unwrap().replace(folder.to_str().unwrap(), "[folder]")
}

#[test]
fn it_stops_when_told_and_says_so() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut agent = Running::start(&[], &[]);
        agent.address();
        agent.signal(signal);
        let (rest, code) = agent.end();
        assert!(rest.contains("stopping: open connections: 0, waiting at most 5s"), "{rest}");
        assert!(rest.trim_end().ends_with("stopped"), "{rest}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_hangup_reads_again_or_keeps_all_of_the_old() {
    let mut agent = Running::start(&[], &[]);
    let address = agent.address();
    agent.signal(Signal::HUP);
    agent.line("read again: web-1");
    let bundle = agent.folder.path().join("web-1.bundle");
    fs::write(&bundle, "rubbish").unwrap();
    agent.signal(Signal::HUP);
    let kept = agent.line("kept all of the old settings");
    assert!(kept.contains("line 1 is neither PEM nor a comment"), "{kept}");
    TcpStream::connect(address).unwrap();
}

#[test]
fn what_a_stranger_sends_is_not_in_the_log() {
    let mut agent = Running::start(&[], &["--log", "debug"]);
    let address = agent.address();
    let mut stranger = TcpStream::connect(&address).unwrap();
    stranger.write_all(b"GET /canary HTTP/1.1\r\n\x1b[31m\r\n\r\n").unwrap();
    let _ = stranger.read_to_end(&mut Vec::new());
    let line = agent.line("refused a connection");
    assert!(line.contains("it does not speak TLS"), "{line}");
    agent.signal(Signal::TERM);
    assert!(!(line + &agent.end().0).contains("canary"));
}

#[test]
fn it_goes_on_when_descriptors_run_out() {
    let mut agent = Running::start(&[], &[]);
    let address = agent.address();
    let before = agent.descriptors();
    let _idle = TcpStream::connect(&address).unwrap();
    while agent.descriptors() == before {
        std::thread::yield_now();
    }
    // From now on there is room for nobody else.
    let pid = Some(Pid::from_child(&agent.child));
    let none = Rlimit { current: Some(1), ..getrlimit(Resource::Nofile) };
    let usual = prlimit(pid, Resource::Nofile, none).unwrap();
    let _waiting = TcpStream::connect(&address).unwrap();
    let line = agent.line("cannot take a connection");
    assert!(line.contains("an unverified one was dropped to make room"), "{line}");
    prlimit(pid, Resource::Nofile, usual).unwrap();
    // A late stranger is still heard and answered with an alert.
    let mut late = TcpStream::connect(&address).unwrap();
    late.write_all(b"hello\r\n\r\n").unwrap();
    late.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_log_that_nobody_takes_stops_nothing() {
    let mut agent = Running::start(&[], &[]);
    let address = agent.address();
    // Nobody reads from now on: every further line fails, and a panic's line would too.
    drop(agent.log.take());
    for _ in 0..20 {
        let mut stranger = TcpStream::connect(&address).unwrap();
        stranger.write_all(b"hello\r\n\r\n").unwrap();
        let mut said = Vec::new();
        stranger.read_to_end(&mut said).unwrap();
        assert_eq!(said.first(), Some(&0x15), "an alert");
    }
    agent.signal(Signal::TERM);
    assert_eq!(agent.child.wait().unwrap().code(), Some(0));
}

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

/// Writing past a limit is an error like a full disk, and needs no rights to try.
#[test]
fn a_log_that_cannot_grow_is_told_and_goes_on_when_it_can() {
    let mut agent = Running::start(&["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=100:unlimited"], &[]);
    let line = agent.line("the audit log cannot be written");
    assert!(line.contains("requests are answered all the same") && line.contains("File too large"), "{line}");
    let pid = agent.child.id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(raised.success());
    agent.line("the audit log can be written again");
    agent.signal(Signal::TERM);
    agent.end();
    let state = agent.folder.path().join("state");
    let output = self::agent(&["audit", "verify", "--state", state.to_str().unwrap()]);
    let whole = said(&output.stdout, agent.folder.path());
    assert!(whole.starts_with("whole: records 1 to 2 (2) in 1 file, from "), "{whole}");
}

#[test]
fn after_kill_the_log_goes_on_and_a_cut_is_named() {
    let mut agent = Running::start(&[], &[]);
    let address = agent.address();
    let mut stranger = TcpStream::connect(&address).unwrap();
    stranger.write_all(b"hello\r\n\r\n").unwrap();
    let _ = stranger.read_to_end(&mut Vec::new());
    let log = agent.folder.path().join("state/audit/current.jsonl");
    while fs::read_to_string(&log).unwrap().matches('\n').count() < 2 {
        std::thread::yield_now();
    }
    agent.signal(Signal::KILL);
    agent.child.wait().unwrap();
    let verify = || self::agent(&["audit", "verify", log.to_str().unwrap()]);
    assert_eq!(verify().status.code(), Some(0));
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("\"event\":\"started\"") && text.contains("it does not speak TLS"), "{text}");
    fs::write(&log, &text[..text.len() - 9]).unwrap();
    let output = verify();
    assert_eq!(output.status.code(), Some(1));
    let named = said(&output.stderr, agent.folder.path());
    assert!(
        named.starts_with("agent: [folder]/state/audit/current.jsonl:2: record 2: it was cut short: "),
        "{named}"
    );
}

#[test]
fn without_records_there_is_nothing_to_verify() {
    let folder = tempfile::tempdir().unwrap();
    let output = agent(&["audit", "verify", "--state", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output.stderr, folder.path()),
        "agent: [folder]/audit: cannot be read: No such file or directory (os error 2)\n"
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
fn the_service_manager_is_told_what_the_agent_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let heard = || {
        let mut bytes = [0; 1024];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    // Until something else is said, the watchdog's beats may come.
    let next = || (0..1000).map(|_| heard()).find(|said| said != "WATCHDOG=1").unwrap();
    let socket = format!("NOTIFY_SOCKET={}", path.display());
    let agent = Running::start(&["env", &socket, "WATCHDOG_USEC=20000"], &[]);
    let serves = next();
    assert!(serves.starts_with("READY=1\nSTATUS=web-1 serves on 127.0.0.1:"), "{serves}");
    agent.signal(Signal::HUP);
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(), serves);
    while heard() != "WATCHDOG=1" {}
    agent.signal(Signal::TERM);
    assert_eq!(next(), "STOPPING=1\nSTATUS=stops");
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

/// A kernel without Landlock, as far as the agent can see. The tracer is the agent's child here: it ends with the agent.
const WITHOUT_LANDLOCK: [&str; 8] =
    ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "inject=landlock_create_ruleset:error=ENOSYS"];

/// Whether such a kernel can be had here; says so where it cannot.
fn can_be_without_landlock() -> bool {
    let can = Command::new("strace").arg("-V").output().is_ok();
    if !can {
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: no kernel without Landlock was tried: strace is not installed"
        );
    }
    can
}

#[test]
fn what_the_kernel_lacks_is_told_and_where_all_is_required_fatal() {
    if !can_be_without_landlock() {
        return;
    }
    let mut agent = Running::start(&WITHOUT_LANDLOCK, &[]);
    let line = agent.line("the sandbox is not whole");
    assert!(line.contains(" files: it has no Landlock, and this came with 1, in Linux 5.13"), "{line}");
    agent.address();
    let required = agent.folder.path().join("agent.toml");
    fs::write(&required, "sandbox = \"required\"\n").unwrap();

    let mut agent = Running::start(&WITHOUT_LANDLOCK, &["--config", required.to_str().unwrap()]);
    let (said, code) = agent.end();
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with(
            "agent: cannot start: the sandbox is not whole, it lacks files: it has no Landlock, and this came with 1, in Linux 5.13\n"
        ),
        "{said}"
    );
    assert!(said.contains("`sandbox = \"required\"` forbids to serve like that"), "{said}");
    let mut agent = Running::start(&[], &["--config", required.to_str().unwrap()]);
    agent.address();
}

#[test]
fn selfcheck_proves_what_holds_and_fails_when_something_gets_through() {
    let folder = tempfile::tempdir().unwrap();
    let selfcheck = |wrap: &[&str]| {
        let agent = [wrap, &[env!("CARGO_BIN_EXE_agent"), "selfcheck", "--state"]].concat();
        Command::new(agent[0]).args(&agent[1..]).arg(folder.path()).output().unwrap()
    };
    let output = selfcheck(&[]);
    let proof = said(&output.stdout, folder.path());
    assert_eq!(output.status.code(), Some(0), "{proof}");
    assert!(
        proof.contains("\nstart a shell                     Operation not permitted (EPERM)         held\n"),
        "{proof}"
    );
    assert!(!proof.contains("GOT THROUGH"), "{proof}");
    if !can_be_without_landlock() {
        return;
    }
    let output = selfcheck(&WITHOUT_LANDLOCK);
    let proof = said(&output.stdout, folder.path());
    assert_eq!(output.status.code(), Some(1), "{proof}");
    assert!(proof.contains("; missing: files: it has no Landlock"), "{proof}");
    assert!(
        proof.contains(
            "write into /tmp                   it was done                             GOT THROUGH\n"
        ),
        "{proof}"
    );
    let fault = said(&output.stderr, folder.path());
    assert!(fault.starts_with("agent: the sandbox does not hold: attempts that got through: "), "{fault}");
}
