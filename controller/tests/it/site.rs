//! A home made by the built program, and agents in this process that belong to it.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use agent::Agent;
use agent::config::Policy;
use certs::Credentials;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A person's desk with a home in a temporary folder.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) runtime: Runtime,
    _stop: Vec<DropGuard>,
    /// Ports that are kept from others.
    kept: RefCell<Vec<TcpSocket>>,
}

/// A port at which nothing listens, and that nobody else is given.
pub(crate) fn unheard() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

impl Site {
    /// Nothing at all.
    pub(crate) fn without_home() -> Site {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Site { folder: tempfile::tempdir().unwrap(), runtime, _stop: Vec::new(), kept: RefCell::default() }
    }

    /// A home with an authority and nothing else.
    pub(crate) fn new() -> Site {
        let site = Site::without_home();
        site.good(&["init", "--name", "alice"]);
        site
    }

    /// A home, and an agent `web-1` that serves.
    pub(crate) fn with_agent() -> (Site, SocketAddr) {
        Site::with_policy(Policy::default())
    }

    /// The same, whose owner has decided something.
    pub(crate) fn with_policy(policy: Policy) -> (Site, SocketAddr) {
        let mut site = Site::new();
        let listener = site.listener("127.0.0.1:0");
        let address = listener.local_addr().unwrap();
        let credentials = site.issue("web-1", &address.to_string());
        site.serve_with(&credentials, listener, policy);
        (site, address)
    }

    /// An address at which nothing listens.
    pub(crate) fn nowhere(&self) -> String {
        let socket = unheard();
        let address = socket.local_addr().unwrap().to_string();
        self.kept.borrow_mut().push(socket);
        address
    }

    pub(crate) fn listener(&self, address: &str) -> TcpListener {
        self.runtime.block_on(TcpListener::bind(address)).unwrap()
    }

    pub(crate) fn issue(&self, name: &str, address: &str) -> Credentials {
        let bundle = self.path(&format!("{name}.bundle"));
        self.good(&["issue", name, "--address", address, "--out", bundle.to_str().unwrap()]);
        Credentials::load(&bundle).unwrap()
    }

    pub(crate) fn serve(&mut self, credentials: &Credentials, listener: TcpListener) {
        self.serve_with(credentials, listener, Policy::default());
    }

    fn serve_with(&mut self, credentials: &Credentials, listener: TcpListener, policy: Policy) {
        let _inside = self.runtime.enter();
        let agent = Agent::on(credentials, vec![listener], policy).unwrap();
        let stop = CancellationToken::new();
        self.runtime.spawn(agent.serve(stop.clone()));
        self._stop.push(stop.drop_guard());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Runs the built program at this desk.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        controller(&self.home(), words).output().unwrap()
    }

    /// Runs it with bytes on its standard input.
    pub(crate) fn run_with_input(&self, words: &[&str], input: &[u8]) -> Output {
        let mut command = controller(&self.home(), words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may refuse before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    /// Runs it, demands that it works, and returns what it printed.
    pub(crate) fn good(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The answer of the one host, from the first line of JSON.
    pub(crate) fn answer(&self, words: &[&str]) -> serde_json::Value {
        let line = self.good(&[words, &["--output", "jsonl"]].concat());
        let value: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
        value["answer"].clone()
    }
}

pub(crate) fn controller(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_controller"));
    command.args(words).env("ROLLCALL_HOME", home).env("HOME", home).stdin(Stdio::null());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What differs from one run to the next is masked in a snapshot.
pub(crate) const MASKS: [(&str, &str); 3] = [
    (r"127\.0\.0\.(\d):\d{2,5}", "127.0.0.$1:PORT"),
    (r"\d{4}-\d\d-\d\dT[0-9:]+Z", "[time]"),
    (r"\d+ (d|h|min|s) \d+ (h|min|s)|\d+ (h|min|s)\b", "[span]"),
];

/// Every file and folder below, and none is there that was not finished.
pub(crate) fn only_for_their_owner(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        assert!(!path.file_name().unwrap().to_str().unwrap().starts_with('.'), "{}", path.display());
        if path.is_dir() {
            only_for_their_owner(&path);
        }
    }
}

/// Says past the test runner's capture that something was not tested here.
pub(crate) fn not_run(what: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {what}");
}
