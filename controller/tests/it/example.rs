//! A stranger's client, written from the protocol's description alone, against a real agent.

use std::path::Path;
use std::process::Command;

use crate::site::{Site, not_run, text};

#[test]
fn the_example_client_asks_a_real_agent() {
    if Command::new("python3").arg("--version").output().is_err() {
        return not_run("docs/examples/ask.py: there is no python3 on this machine");
    }
    let (site, address) = Site::with_agent();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/ask.py");
    let lines = std::fs::read_to_string(&script).unwrap().lines().count();
    assert!(lines < 100, "it has grown to {lines} lines");
    let ask = |name: &str| {
        let mut python = Command::new("python3");
        python.arg(&script).arg(site.home().join("identity.pem"));
        python.args([&address.ip().to_string(), &address.port().to_string(), name]).output().unwrap()
    };
    let output = ask("web-1");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(
        shown.contains(" bytes of memory are available") && shown.ends_with("echo: the same\n"),
        "{shown}"
    );
    let output = ask("web-2");
    assert!(text(&output.stderr).ends_with("is not agent web-2\n") && output.status.code() == Some(1));
}
