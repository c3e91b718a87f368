//! The built agent, which belongs to nobody until a test adopts it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use certs::Credentials;
use certs::adoption::Code;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::site::{Site, not_run, text};

/// The system calls that change what is on the disk, where this machine has them.
pub(crate) const WRITES: [&str; 8] =
    ["write", "fsync", "?rename", "?renameat", "renameat2", "linkat", "?link", "?unlink"];

/// Whether [`Foundling::killed_at`] works here; says so where it does not.
pub(crate) fn can_be_killed_at_writes() -> bool {
    let can = Command::new("strace").arg("-V").output().is_ok();
    if !can {
        not_run("the agent was not killed at every write: strace is not installed");
    }
    can
}

/// The agent's program lies beside the controller's; `cargo test --workspace` has built both.
fn agent() -> PathBuf {
    let agent = Path::new(env!("CARGO_BIN_EXE_controller")).with_file_name("agent");
    assert!(agent.exists(), "{} is not built: cargo build -p agent", agent.display());
    agent
}

/// What the agent's program says to these words.
pub(crate) fn agent_program(words: &[&str]) -> Output {
    Command::new(agent()).args(words).output().unwrap()
}

/// An agent that belongs to nobody.
pub(crate) struct Foundling {
    pub(crate) child: Child,
    pub(crate) state: Rc<TempDir>,
    pub(crate) address: String,
    /// What it has logged since it began to wait.
    pub(crate) log: Arc<Mutex<String>>,
}

impl Foundling {
    pub(crate) fn new() -> Foundling {
        Foundling::at(&Rc::new(tempfile::tempdir().unwrap()), &[]).expect("the agent did not begin")
    }

    /// Begins in a state folder; `None` when the program ends before it waits for anybody.
    pub(crate) fn at(state: &Rc<TempDir>, wrap: &[&str]) -> Option<Foundling> {
        Foundling::start(state, wrap, &["--listen", "127.0.0.1:0"])
    }

    /// The same at an address that was its own before.
    pub(crate) fn listening(state: &Rc<TempDir>, address: &str) -> Option<Foundling> {
        Foundling::start(state, &[], &["--listen", address])
    }

    pub(crate) fn start(state: &Rc<TempDir>, wrap: &[&str], flags: &[&str]) -> Option<Foundling> {
        let agent = agent();
        let words = [wrap, &[agent.to_str().unwrap(), "run"], flags].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--state").arg(state.path());
        command.stderr(Stdio::piped()).stdout(Stdio::null());
        // What wraps it must not outlive it, nor the other way round.
        command.process_group(0);
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = log.find_map(|line| {
            let (_, rest) = line.split_once(" waits on ").or_else(|| line.split_once(" is ready on "))?;
            Some(rest.split([' ', ';']).next().unwrap().to_owned())
        });
        // Whoever logs into a pipe that nobody reads is held up one day.
        let logged = Arc::new(Mutex::new(String::new()));
        let logging = Arc::clone(&logged);
        std::thread::spawn(move || log.for_each(|line| logging.lock().unwrap().push_str(&(line + "\n"))));
        if address.is_none() {
            child.wait().unwrap();
        }
        address.map(|address| Foundling { child, state: Rc::clone(state), address, log: logged })
    }

    /// The same, killed when one of its threads makes this call for the so many-th time: strace counts each by itself.
    pub(crate) fn killed_at(state: &Rc<TempDir>, call: &str, count: usize) -> Option<Foundling> {
        let inject = format!("inject={call}:signal=SIGKILL:when={count}");
        Foundling::at(state, &["strace", "-f", "-qq", "-o", "/dev/null", "-e", call, "-e", &inject])
    }

    pub(crate) fn agent(&self, words: &[&str]) -> Output {
        Command::new(agent()).args(words).arg("--state").arg(self.state.path()).output().unwrap()
    }

    /// What `agent code` prints; `None` when the agent ends meanwhile.
    pub(crate) fn told(&mut self) -> Option<String> {
        // It says that it waits a moment before it can be seen to.
        loop {
            let output = self.agent(&["code"]);
            if output.status.success() {
                return Some(text(&output.stdout));
            }
            if self.child.try_wait().unwrap().is_some() {
                return None;
            }
            let fault = text(&output.stderr);
            assert!(fault.contains("no agent waits for its adoption"), "{fault}");
        }
    }

    pub(crate) fn code(&mut self) -> String {
        code_in(&self.told().expect("the agent ended"))
    }

    /// Makes it the agent `web-1` of that desk.
    pub(crate) fn adopted_by(&mut self, site: &Site) {
        let code = self.code();
        let adopted = site.run_with_input(&["adopt", &self.address, "--name", "web-1"], code.as_bytes());
        assert_eq!(adopted.status.code(), Some(0), "{}", text(&adopted.stderr));
    }

    pub(crate) fn identity(&self) -> Option<Credentials> {
        let file = self.state.path().join("identity.bundle");
        file.exists().then(|| Credentials::load(&file).expect("whole or not at all"))
    }
}

impl Drop for Foundling {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

pub(crate) fn code_in(told: &str) -> String {
    told.lines().find(|line| line.trim().parse::<Code>().is_ok()).expect("a code").trim().to_owned()
}
