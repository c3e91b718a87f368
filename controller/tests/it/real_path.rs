//! The way without the demo, with both built programs: init, issue, carry, run, ask.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::site::{Site, text};

/// The agent's program is of another package: cargo puts it beside this one's, once it is built.
fn agent_program() -> PathBuf {
    let controller = PathBuf::from(env!("CARGO_BIN_EXE_controller"));
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "agent", "--bin", "agent"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success());
    controller.with_file_name("agent")
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn from_nothing_to_a_verified_answer() {
    let site = Site::new();
    let bundle = site.path("web-1.bundle");
    site.good(&["issue", "web-1", "--address", "127.0.0.1", "--out", bundle.to_str().unwrap()]);

    let mut agent = Command::new(agent_program());
    agent.args(["run", "--listen", "127.0.0.1:0", "--identity"]).arg(&bundle);
    agent.arg("--state").arg(site.path("state")).stderr(Stdio::piped());
    let mut agent = Running(agent.spawn().unwrap());
    let mut log = BufReader::new(agent.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let ready = log.find(|line| line.contains(" is ready on ")).unwrap();
    let (_, address) = ready.split_once(" is ready on ").unwrap();
    let address = address.split(';').next().unwrap();

    // The machine's owner would have chosen the port; this one was chosen by the system.
    let hosts =
        fs::read_to_string(site.home().join("hosts.toml")).unwrap().replace("127.0.0.1:5669", address);
    fs::write(site.home().join("hosts.toml"), hosts).unwrap();
    assert!(site.good(&["info", "web-1"]).contains(" web-1, version "));
    assert!(site.good(&["uptime", address]).contains(" up "));

    let stranger = Site::new();
    let output = stranger.run(&["info", address]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
}
