//! `cargo xtask test` runs every test there is, and counts aloud what could not run; `cargo xtask dist` makes the packages.

mod dist;
mod machine;
mod needs;
mod shell;
mod suite;
mod tally;
mod tests;
mod tree;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use shell::say;

const USAGE: &str = "\
usage: cargo xtask test            every test: `cargo test --workspace`, then the packages on a machine of their own
       cargo xtask test --packages the packages only, with the programs that are in target/debug
       cargo xtask test --chroot   the same, as if no systemd could boot here
       cargo xtask dist            Debian packages of both programs, into target/dist";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => tests::run(tests::What::Everything),
        ["test", "--packages"] => tests::run(tests::What::Packages),
        ["test", "--chroot"] => tests::run(tests::What::Chroot),
        ["dist"] => dist::release(),
        _ => {
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(&format!("xtask: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where everything goes that is made.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}
