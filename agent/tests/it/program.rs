//! The built program from outside: what it says, how it ends, and what it keeps to itself.

mod kernel;
mod life;
mod records;
mod words;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use certs::store::Existing;
use certs::{Algorithm, Authority};
use rustix::process::{Pid, Signal, kill_process};
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
