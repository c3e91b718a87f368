//! A root file system of this machine's own Debian: made once, by debootstrap, and never written to afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Fault, has, is_root, output, step, word};
use crate::target;

/// Where it lies, or why there is none.
pub(crate) fn make() -> Result<PathBuf, Fault> {
    let suite = codename(&fs::read_to_string("/etc/os-release").unwrap_or_default())?;
    if !is_root() {
        return Err("only root can make and boot a machine".to_owned());
    }
    let tree = target().join("machine").join(&suite);
    if tree.exists() {
        return Ok(tree);
    }
    if !has("debootstrap") {
        return Err("debootstrap is missing".to_owned());
    }
    let mirror = mirror(&sources(), &suite).ok_or("the sources of apt name no archive of this Debian")?;
    step("a machine to install on");
    let half = target().join("machine/half");
    let _ = fs::remove_dir_all(&half);
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args([
        "--variant=minbase",
        "--include=systemd,systemd-sysv,dbus",
        &suite,
        &word(&half),
        &mirror,
    ]);
    let last = |told: Fault| told.trim().lines().last().unwrap_or_default().to_owned();
    output(&mut debootstrap).map_err(|told| format!("debootstrap: {}", last(told)))?;
    // It would override the name that the machine is booted with.
    let _ = fs::remove_file(half.join("etc/hostname"));
    fs::rename(&half, &tree).map_err(|error| error.to_string())?;
    Ok(tree)
}

fn codename(release: &str) -> Result<String, Fault> {
    let value =
        |key| release.lines().find_map(|line| line.strip_prefix(key)).map(|text| text.trim_matches('"'));
    match (value("ID="), value("VERSION_CODENAME=")) {
        (Some("debian"), Some(name)) => Ok(name.to_owned()),
        _ => Err("this is no Debian".to_owned()),
    }
}

/// All that apt is told of archives, of both forms.
fn sources() -> String {
    let folder =
        fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let all = folder.chain([PathBuf::from("/etc/apt/sources.list")]);
    all.filter_map(|file| fs::read_to_string(file).ok()).map(|text| text + "\n\n").collect()
}

/// The first archive that has `main` of this release itself: `deb [options] URI SUITE COMPONENT...`, or paragraphs of keys.
fn mirror(sources: &str, suite: &str) -> Option<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with('[')).collect();
        let fits = words.first() == Some(&"deb") && words.get(2) == Some(&suite) && words.contains(&"main");
        fits.then(|| words[1].to_owned())
    };
    let paragraph = |text: &str| {
        let value = |key| text.lines().find_map(|line: &str| line.strip_prefix(key)).unwrap_or("");
        let has = |key, wanted| value(key).split_whitespace().any(|word| word == wanted);
        let fits = has("Types:", "deb") && has("Suites:", suite) && has("Components:", "main");
        fits.then(|| value("URIs:").split_whitespace().next().map(str::to_owned)).flatten()
    };
    sources.lines().find_map(line).or_else(|| sources.split("\n\n").find_map(paragraph))
}

/// A copy that may be written to.
pub(crate) fn copy(tree: &Path, to: &Path) -> Result<(), Fault> {
    let _ = fs::remove_dir_all(to);
    output(Command::new("cp").args(["-a", "--reflink=auto"]).arg(tree).arg(to)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_the_machines_own() {
        let lines = "# deb http://old.example/debian stable main\n\
                     deb http://security.example/debian-security stable-security main\n\
                     deb [signed-by=/a.gpg] http://one.example/debian stable main contrib\n";
        assert_eq!(mirror(lines, "stable").as_deref(), Some("http://one.example/debian"));
        let paragraphs = "Types: deb\nURIs: https://other.example\nSuites: nodistro\nComponents: main\n\n\
                          Types: deb\n# a comment\nURIs: http://two.example/debian\n\
                          Suites: stable stable-updates\nComponents: main\n";
        assert_eq!(mirror(paragraphs, "stable").as_deref(), Some("http://two.example/debian"));
        assert_eq!(mirror(paragraphs, "older"), None);
    }

    #[test]
    fn only_a_debian_is_one() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=stable\n").unwrap(), "stable");
        assert!(codename("ID=other\nVERSION_CODENAME=x\n").is_err());
    }
}
