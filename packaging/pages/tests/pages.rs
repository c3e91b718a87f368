//! What the packages carry for people to read, made by the built program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_verb_has_its_page_and_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_pages")).arg(folder.path()).status().unwrap();
    assert!(made.success());
    let folder = folder.path();
    for name in ["agent.8", "agent-run.8", "agent-install.8", "agent-audit-verify.8", "controller-adopt.1"] {
        assert!(read(folder, name).contains(".SH DESCRIPTION"), "{name}");
    }
    assert!(read(folder, "controller.1").contains("controller\\-authority(1)"));
    let agent = read(folder, "agent.8");
    assert!(
        agent.contains(".SH EXAMPLES\n.nf\n\\&  sudo agent install ") && agent.contains(".SH FILES"),
        "{agent}"
    );
    // They ask the program itself; `packaging/tests/package.sh` asks it as a shell would.
    for program in ["agent", "controller"] {
        for name in [format!("{program}.bash"), format!("_{program}"), format!("{program}.fish")] {
            let script = read(folder, &name);
            assert!(script.contains("COMPLETE") && script.contains(program), "{name}: {script}");
        }
    }
    let config = read(folder, "agent.toml.5");
    assert!(config.contains("requests_in_flight_per_identity") && !config.contains("@FILE@"), "{config}");
}

#[test]
fn whoever_names_no_folder_is_told_to() {
    let told = Command::new(env!("CARGO_BIN_EXE_pages")).output().unwrap();
    assert_eq!(told.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&told.stderr), "usage: pages FOLDER\n");
}
