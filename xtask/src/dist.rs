//! The Debian packages of both programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Fault, command, output, run, say, step, word};
use crate::{target, workspace};

/// What these were tried with; a later one may read the packages' descriptions in another way.
const CARGO_DEB: &str = "3.8.0";

/// Packages as they are given out.
pub(crate) fn release() -> Result<(), Fault> {
    let packager = packager()?;
    step("programs");
    run(&["cargo", "build", "--release", "--locked", "-p", "agent", "-p", "controller"])?;
    run(&["cargo", "build", "--release", "--locked", "-p", "pages"])?;
    let to = target().join("dist");
    pages(&target().join("release/pages"))?;
    step("packages");
    for name in ["agent", "controller"] {
        say(&word(&packager.package(name, &["--profile", "release"], &to)?));
    }
    Ok(())
}

/// Man pages and completions, to where the packages' descriptions look for them.
pub(crate) fn pages(program: &Path) -> Result<(), Fault> {
    let to = workspace().join("target/dist/pages");
    // A verb that is no more must not leave its page behind.
    let _ = fs::remove_dir_all(&to);
    output(Command::new(program).arg(to)).map(drop).map_err(|fault| format!("{}: {fault}", program.display()))
}

/// `cargo deb`, which makes packages.
pub(crate) struct Packager(PathBuf);

/// The packager in `target/tools`, made where there is none.
pub(crate) fn packager() -> Result<Packager, Fault> {
    let root = target().join("tools");
    let program = root.join("bin/cargo-deb");
    let version = output(Command::new(&program).arg("--version"));
    if version.is_ok_and(|version| version.contains(CARGO_DEB)) {
        return Ok(Packager(program));
    }
    step("cargo-deb, which makes the packages");
    let root = word(&root);
    run(&[
        "cargo",
        "install",
        "--quiet",
        "--debug",
        "--locked",
        "--version",
        CARGO_DEB,
        "--root",
        &root,
        "cargo-deb",
    ])?;
    Ok(Packager(program))
}

impl Packager {
    /// Makes one package of a program that is built, and says where it is.
    pub(crate) fn package(&self, program: &str, more: &[&str], to: &Path) -> Result<PathBuf, Fault> {
        fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
        // A folder at the end of the path: else it would be the package's own name.
        let to = format!("{}/", to.display());
        let mut packager = command(&[&word(&self.0)]);
        packager.args(["--no-build", "--quiet", "-p", program, "--output", &to]).args(more);
        let told = output(&mut packager)?;
        let made = told.lines().find(|line| line.ends_with(".deb"));
        made.map(PathBuf::from).ok_or_else(|| format!("cargo deb does not say what it made: {told}"))
    }
}
