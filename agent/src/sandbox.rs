//! The kernel's no: what the process that talks to the network gives up before it serves its first byte.
//!
//! Whoever takes over this process, by a fault that nobody knows yet, has what is left here and nothing else. It binds the
//! calling thread and all that it starts, so it comes before any other thread, and there is no way back.

mod calls;
mod files;
mod rights;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::requests::info;

use crate::config::{Config, DEFAULT_FILE};

/// For `info` and `time`. Of `/proc` only its root can be named: the kernel makes what is below anew now and then, and a rule
/// would be forgotten with it.
const FACTS: [&str; 6] =
    ["/proc", "/etc/localtime", "/usr/share/zoneinfo", "/run/utmp", "/run/systemd/container", "/etc/passwd"];

/// The sessions of systemd, and where they will be if nobody has logged in yet.
const SESSIONS: [&str; 2] = ["/run/systemd/sessions", "/run/systemd"];

/// What is read wherever it lies is not read in a folder beside this.
const SECRETS: &str = "/etc/shadow";

/// Which files are still to be had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Files, or folders with all that is in them.
    pub reads: Vec<PathBuf>,
    /// Folders in which anything may be read, written, made and removed.
    pub writes: Vec<PathBuf>,
    /// What the agent's owner should know of it.
    pub notes: Vec<String>,
}

/// Whether the agent serves where the kernel lacks a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Demand {
    /// It does, and says so.
    #[default]
    BestEffort,
    /// It does not.
    Required,
}

/// What holds and what does not, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The parts that the kernel enforces.
    pub holds: Vec<String>,
    /// Those that it does not, and why.
    pub missing: Vec<String>,
}

impl Access {
    /// What an agent with this configuration needs: its state folder, the folder where its identity is renewed, its
    /// configuration for a reload, and the facts about the machine.
    pub fn of(config: &Config) -> Access {
        let mut access = Access::default();
        access.reads.extend(FACTS.map(PathBuf::from));
        access.reads.extend(SESSIONS.map(PathBuf::from).into_iter().find(|path| path.exists()));
        access.writes.push(config.state.path().to_owned());
        access.renew(&config.identity);
        // Where there is no file, one may come, and declarations lie beside it.
        let file = config.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        for file in [Some(file.to_owned()), fs::canonicalize(file).ok()] {
            access.reads.extend(file.map(|file| folder_of(&file).unwrap_or(file)));
        }
        access.tell_own_configuration(config.file.as_deref());
        access
    }

    /// Whoever takes the agent over could give himself rights, for the next start.
    fn tell_own_configuration(&mut self, file: Option<&Path>) {
        let Some(file) = file.and_then(|file| fs::canonicalize(file).ok()) else { return };
        let within = |folder: &PathBuf| fs::canonicalize(folder).is_ok_and(|folder| file.starts_with(folder));
        if self.writes.iter().any(within) {
            let file = file.display();
            self.notes.push(format!(
                "{file} lies where the agent may write: keep its configuration and its identity in different folders"
            ));
        }
    }

    /// A new identity takes the place of the old one by a rename. Behind a link it is the file that counts.
    fn renew(&mut self, identity: &Path) {
        let Ok(file) = fs::canonicalize(identity) else { return };
        if let Some(folder) = folder_of(&file) {
            self.writes.push(folder);
            return;
        }
        self.notes.push(format!(
            "{} is no folder for the agent to write in: the identity there cannot be renewed; keep it in one of its own",
            file.parent().unwrap_or(&file).display()
        ));
        self.reads.push(file);
    }
}

/// The folder a file is in, unless secrets of the machine's are there too.
fn folder_of(file: &Path) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = fs::canonicalize(folder).ok()?;
    (!Path::new(SECRETS).starts_with(&real)).then_some(real)
}

/// Gives all of it up, for ever. What the kernel lacks is in the report.
#[must_use]
pub fn enter(access: &Access) -> Report {
    let mut report = Report::default();
    if fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        report
            .missing
            .push("all of it: this program has begun other threads, which it would not bind".to_owned());
        return report;
    }
    report.add("capabilities", rights::give_up_capabilities());
    report.add("new privileges", rights::no_new_privileges());
    files::restrict(access, &mut report);
    // The last: it forbids the calls that make the others.
    report.add("system calls", calls::restrict());
    report
}

impl Report {
    fn add(&mut self, part: &str, done: Result<(), String>) {
        match done {
            Ok(()) => self.holds.push(part.to_owned()),
            Err(why) => self.missing.push(format!("{part}: {why}")),
        }
    }

    /// Whether the agent may serve with this.
    ///
    /// # Errors
    /// A part is missing, and none may be.
    pub fn satisfies(&self, demand: Demand) -> Result<(), Vec<String>> {
        if demand == Demand::BestEffort || self.missing.is_empty() {
            return Ok(());
        }
        let hint = "`sandbox = \"required\"` forbids to serve like that";
        let missing = self.missing.iter().map(|part| format!("the sandbox is not whole, it lacks {part}"));
        Err(missing.chain([hint.to_owned()]).collect())
    }

    /// A line for each part that is missing, or one that says that none is.
    pub fn log(&self) {
        for part in &self.missing {
            tracing::warn!("the sandbox is not whole: it lacks {part}");
        }
        if self.missing.is_empty() {
            tracing::info!("{self}");
        }
    }

    /// For `info`.
    pub(crate) fn told(&self) -> info::Sandbox {
        info::Sandbox { holds: self.holds.clone(), missing: self.missing.clone() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds = if self.holds.is_empty() { "nothing".to_owned() } else { self.holds.join(", ") };
        write!(f, "the sandbox holds: {holds}")?;
        if !self.missing.is_empty() {
            write!(f, "; missing: {}", self.missing.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_the_machines_secrets_is_never_given() {
        assert_eq!(folder_of(Path::new("/etc/agent.toml")), None);
        assert_eq!(folder_of(Path::new("/agent.toml")), None);
        let own = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(own.path()).unwrap();
        assert_eq!(folder_of(&own.path().join("agent.toml")), Some(real));
        assert_eq!(
            folder_of(Path::new("agent.toml")),
            fs::canonicalize(".").ok(),
            "beside where it was started"
        );
    }

    #[test]
    fn an_identity_behind_a_link_is_renewed_where_it_is() {
        let (links, real) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(real.path().join("web-1.bundle"), "").unwrap();
        let link = links.path().join("identity.bundle");
        std::os::unix::fs::symlink(real.path().join("web-1.bundle"), &link).unwrap();
        let mut access = Access::default();
        access.renew(&link);
        assert_eq!(access.writes, [fs::canonicalize(real.path()).unwrap()]);
    }

    #[test]
    fn a_part_that_is_missing_is_fatal_only_where_all_are_required() {
        let missing = "network: this kernel has Landlock 3".to_owned();
        let report = Report { holds: vec!["files".to_owned()], missing: vec![missing] };
        assert_eq!(report.satisfies(Demand::BestEffort), Ok(()));
        let said = report.satisfies(Demand::Required).unwrap_err();
        assert_eq!(said[0], "the sandbox is not whole, it lacks network: this kernel has Landlock 3");
        assert!(said[1].contains("`sandbox = \"required\"`"), "{said:?}");
        assert_eq!(Report::default().satisfies(Demand::Required), Ok(()));
    }

    #[test]
    fn a_program_with_threads_is_told_that_it_comes_too_late() {
        // The test runner has other threads: nothing is given up here.
        let report = enter(&Access::default());
        assert!(report.holds.is_empty() && report.missing[0].contains("other threads"), "{report:?}");
    }
}
