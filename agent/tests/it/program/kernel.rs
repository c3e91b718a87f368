//! What it says of the sandbox, on a kernel that has all and on one that lacks some.

use std::fs;
use std::io::Write;
use std::process::Command;

use super::{Running, said};

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
