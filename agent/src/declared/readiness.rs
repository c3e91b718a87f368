//! Whether what is declared could be started now: looked at when the agent starts, by `check-config` and `--explain`, and before
//! each start. All of them say the same.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use protocol::chain::Hash;
use protocol::requests::explain::Sort;
use rustix::fs::{Access, access};

use super::beneath::open_folder;
use super::{Declaration, Declarations, Kind, Way};

/// The kernel reads no more of a script's first line.
const FIRST_LINE: u64 = 256;

impl Declarations {
    /// A line for each that could not be started.
    pub(crate) fn unready(&self) -> Vec<String> {
        let all = Sort::ALL.into_iter().flat_map(|sort| self.of(sort).iter().map(move |one| (sort, one)));
        let line = |(sort, (name, declaration)): (Sort, (&String, &Declaration))| {
            let why = declaration.readiness().err()?;
            Some(format!("{}.{name}: cannot start {}: {why}", sort.table(), declaration.program.display()))
        };
        all.filter_map(line).collect()
    }
}

impl Declaration {
    /// All that can be told without starting it.
    ///
    /// # Errors
    /// Why it could not be started.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        self.is_startable(&[])?;
        self.has_its_interpreter()?;
        if !self.folder.is_dir() {
            return Err(format!(
                "the folder {}, in which it is to start, is not there",
                self.folder.display()
            ));
        }
        for (name, parameter) in &self.parameters {
            if let Kind::Beneath(folder) = &parameter.kind {
                open_folder(folder).map_err(|why| format!("nothing can be given as {name:?}: {why}"))?;
            }
        }
        self.pinned().map(drop)
    }

    /// What is looked at before each start: also that it does not lie in these places, where the process
    /// that talks to the network may write.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(crate) fn is_startable(&self, writable: &[PathBuf]) -> Result<(), String> {
        let way = Way::to(&self.program)?;
        let metadata = way.found().map_err(|error| match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::PermissionDenied => {
                "a folder on the way to it is closed to the agent's user".to_owned()
            }
            _ => format!("it cannot be looked at: {error}"),
        })?;
        if !metadata.is_file() {
            return Err("it is not a file".to_owned());
        }
        if metadata.mode() & 0o111 == 0 {
            return Err("it is not executable".to_owned());
        }
        access(&self.program, Access::EXEC_OK)
            .map_err(|_| "the agent's user may not execute it".to_owned())?;
        way.nobody_else_can_change()?;
        way.leads_past(writable)
    }

    /// The program's file, where its owner pinned what it must hold.
    ///
    /// # Errors
    /// It holds something else, or cannot be read.
    pub(crate) fn pinned(&self) -> Result<Option<File>, String> {
        let Some(pinned) = self.sha256 else { return Ok(None) };
        let unreadable = |error| format!("it cannot be read, to compare its SHA-256: {error}");
        let mut file = File::open(&self.program).map_err(unreadable)?;
        let found = Hash::of_all(&mut file).map_err(unreadable)?;
        if found != pinned {
            return Err(format!("its SHA-256 is {found}, and {pinned} is declared"));
        }
        Ok(Some(file))
    }

    /// A program need not be readable, and a script must be.
    fn has_its_interpreter(&self) -> Result<(), String> {
        let mut line = Vec::new();
        let read = File::open(&self.program).and_then(|file| file.take(FIRST_LINE).read_to_end(&mut line));
        let Some(named) = read.ok().and_then(|_| interpreter(&line)) else { return Ok(()) };
        access(named, Access::EXEC_OK).map_err(|error| {
            format!("what its first line (#!) names cannot be started: {}: {error}", named.display())
        })
    }
}

fn interpreter(script: &[u8]) -> Option<&Path> {
    let line = script.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let named = line.split(|byte| byte.is_ascii_whitespace()).next()?;
    Some(Path::new(std::ffi::OsStr::from_bytes(named)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use crate::config::Config;

    /// What is said of a check that is declared so; `DIR` is a folder with a good script and others.
    fn said(declared: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, contents: &str, mode| {
            let file = folder.path().join(name);
            fs::write(&file, contents).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        write("good", "#!/bin/sh\n", 0o755);
        write("mode", "#!/bin/sh\n", 0o644);
        write("bang", "#! /bin/none -x\n", 0o755);
        let text = declared.replace("DIR", folder.path().to_str().unwrap());
        let file = write("agent.toml", &format!("[check.one]\n{text}\n"), 0o644);
        Config::declared(Some(&file), &[]).unwrap().unready().join("\n")
    }

    #[test]
    fn what_cannot_be_started_is_said_before_anybody_asks_for_it() {
        assert_eq!(said("exec = [\"DIR/good\"]"), "");
        for (declared, why) in [
            ("exec = [\"DIR/none\"]", "check.one: cannot start "),
            ("exec = [\"DIR/none\"]", "/none: there is no such file"),
            ("exec = [\"DIR\"]", "it is not a file"),
            ("exec = [\"DIR/mode\"]", "it is not executable"),
            ("exec = [\"DIR/bang\"]", "(#!) names cannot be started: /bin/none: No such file"),
            (
                "exec = [\"DIR/good\"]\nfolder = \"/none\"",
                "the folder /none, in which it is to start, is not there",
            ),
            (
                "exec = [\"DIR/good\", \"{log}\"]\nparameter.log.beneath = \"/none\"",
                "nothing can be given as \"log\": /none cannot be opened: No such file",
            ),
            (
                "exec = [\"DIR/good\"]\nsha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
                "and 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 is declared",
            ),
        ] {
            let said = said(declared);
            assert!(said.contains(why), "{declared}: {said}");
        }
    }
}
