//! How it lives among signals, strangers and a service manager, and how it ends.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use super::Running;

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
