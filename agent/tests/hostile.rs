//! An agent whose code has been taken over: a program that enters the sandbox, serves as an agent does, and on a hostile request
//! does all that the sandbox forbids. It is built for tests only. Without the sandbox, for root, all of it gets through.
//!
//! A program of its own, without the test runner: the sandbox wants to be entered before there is a second thread.
//! `hostile` alone is the test; `hostile serve PLACE` is the agent, and `hostile free` does the same outside the sandbox.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is its own test runner")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use agent::cli::{Cli, Verb};
use agent::config::Config;
use agent::sandbox::{self, Access};
use agent::selfcheck::{Targets, Tried};
use agent::{Agent, Names};
use certs::store::Existing;
use certs::{Algorithm, Authority, Credentials, Grant, Identity, Validity};
use clap::Parser;
use rustix::io::Errno;
use rustix::process::{Pid, geteuid, getppid, test_kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// What a peer sends to have the worst done.
const HOSTILE: &[u8; 6] = b"worst\n";
const NAME: &str = "taken_over_it_can_do_nothing_of_all_that_it_could";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", place] => serve(Path::new(place)),
        ["free"] => tell(&Targets::lay_out().unwrap().attempt()),
        // What runners of tests ask first.
        [.., "--list"] | ["--list", ..] => println!("{NAME}: test"),
        _ => {
            it_can_do_nothing();
            without_the_sandbox_it_could();
            println!("test {NAME} ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn tell(tried: &[Tried]) {
    tried.iter().for_each(|tried| println!("{tried}"));
}

fn config(place: &Path) -> Config {
    let at = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let (identity, state) = (at("identity/web-1.bundle"), at("state"));
    let words = ["agent", "run", "--listen", "127.0.0.1:0", "--identity", &identity, "--state", &state];
    match Cli::parse_from(words).verb {
        Verb::Run(flags) => Config::decide(&flags).unwrap(),
        other => panic!("not `run`: {other:?}"),
    }
}

/// As `agent run` does, with one more port: for the hostile request.
fn serve(place: &Path) {
    let config = config(place);
    config.state.create().unwrap();
    let listeners = agent::listen(&config).unwrap();
    let backdoor = TcpListener::bind("127.0.0.1:0").unwrap();
    backdoor.set_nonblocking(true).unwrap();
    let targets: &'static Targets = Box::leak(Box::new(Targets::lay_out().unwrap()));
    let mut ended = Command::new("/bin/true").spawn().unwrap();
    ended.wait().unwrap();
    let names = Names::read();
    let report = sandbox::enter(&Access::of(&config));
    println!("{} {}", listeners[0].local_addr().unwrap(), backdoor.local_addr().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let credentials = Credentials::load(&config.identity).unwrap();
        let listeners = agent::accepting(listeners).unwrap();
        let agent = Agent::on(&credentials, listeners, config.policy.clone()).unwrap().held_by(report, names);
        tokio::spawn(agent.serve(CancellationToken::new()));
        let backdoor = tokio::net::TcpListener::from_std(backdoor).unwrap();
        let (mut peer, _) = backdoor.accept().await.unwrap();
        let mut request = *HOSTILE;
        peer.read_exact(&mut request).await.unwrap();
        assert_eq!(request, *HOSTILE);
        // By the thread that serves, and by one that it has begun.
        let mut tried = targets.attempt();
        tried.extend(tokio::task::spawn_blocking(|| targets.attempt()).await.unwrap());
        let lines: String = tried.iter().map(|tried| format!("{tried}\n")).collect();
        // `info` needs to know whose session lives, and may not signal anybody.
        let lives = |process| test_kill_process(process) != Err(Errno::SRCH);
        let seen = format!("{} {}\n", lives(getppid().unwrap()), lives(Pid::from_child(&ended)));
        peer.write_all((lines + &seen).as_bytes()).await.unwrap();
        peer.shutdown().await.unwrap();
        std::future::pending::<()>().await;
    });
}

/// Ended when the test is over, however it ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(words: &[&str]) -> Ended {
    let mut command = Command::new(std::env::current_exe().unwrap());
    Ended(command.args(words).stdout(Stdio::piped()).spawn().unwrap())
}

fn it_can_do_nothing() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("identity")).unwrap();
    issue(&place.path().join("identity/web-1.bundle"));
    let mut agent = start(&["serve", place.path().to_str().unwrap()]);
    let mut line = String::new();
    BufReader::new(agent.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (serving, backdoor) = line.trim().split_once(' ').unwrap();

    let mut peer = TcpStream::connect(backdoor).unwrap();
    peer.write_all(HOSTILE).unwrap();
    let told = io::read_to_string(&mut peer).unwrap();
    let (tried, seen) = told.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(tried.lines().count(), 2 * 18, "{told}");
    for line in tried.lines() {
        assert!(line.ends_with("held") || line.ends_with("not tried"), "{line}");
    }
    assert_eq!(seen, "true false", "the parent lives, and the child has ended");
    it_still_serves(serving.parse().unwrap());
}

/// Whoever speaks no TLS hears an alert.
fn it_still_serves(address: SocketAddr) {
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.write_all(b"hello\r\n\r\n").unwrap();
    let mut said = Vec::new();
    stranger.read_to_end(&mut said).unwrap();
    assert_eq!(said.first(), Some(&0x15));
}

/// Else what was refused inside would prove nothing.
fn without_the_sandbox_it_could() {
    if !geteuid().is_root() {
        eprintln!("NOT RUN: without the sandbox only root can do all of it, and this is not root");
        return;
    }
    let mut free = start(&["free"]);
    let told = io::read_to_string(free.0.stdout.take().unwrap()).unwrap();
    assert_eq!(told.lines().count(), 18, "{told}");
    for line in told.lines() {
        assert!(line.ends_with("GOT THROUGH") || line.ends_with("not tried"), "{line}");
    }
}

fn issue(bundle: &Path) {
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let identity = Identity::agent("web-1".parse().unwrap());
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
    authority.issue(Algorithm::Ed25519, &grant).unwrap().save(bundle, Existing::Keep).unwrap();
}
