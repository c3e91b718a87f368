//! Steps that change the machine. Each can be shown before it is taken, and knows whether there is anything to do.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::command::{self, shown};
use super::{Fault, say};

/// What may be done.
pub(super) enum What {
    /// A file, for everybody to read.
    Write {
        path: &'static str,
        contents: String,
    },
    /// A folder, for everybody to look into.
    Folder(&'static str),
    /// A program, for everybody to run.
    Copy {
        from: PathBuf,
        to: &'static str,
    },
    /// A file, or a folder with all that is in it.
    Remove(&'static str),
    Run(&'static [&'static str]),
}

/// One step.
pub(super) struct Step {
    what: What,
    /// Nothing is done where all is as it should be.
    is_needed: bool,
}

impl What {
    pub(super) fn when(self, is_needed: bool) -> Step {
        Step { what: self, is_needed }
    }

    /// To be done where the file is another one, or missing.
    pub(super) fn when_different(self) -> Step {
        let is_needed = match &self {
            What::Write { path, contents } => fs::read(path).ok().as_deref() != Some(contents.as_bytes()),
            What::Copy { from, to } => fs::read(to).ok() != fs::read(from).ok(),
            What::Folder(path) => !Path::new(path).is_dir(),
            What::Remove(path) => Path::new(path).symlink_metadata().is_ok(),
            What::Run(_) => true,
        };
        self.when(is_needed)
    }

    fn words(&self) -> String {
        match self {
            What::Write { path, .. } => format!("write {path}"),
            What::Folder(path) => format!("make {path}/"),
            What::Copy { from, to } => format!("copy {} to {to}", from.display()),
            What::Remove(path) => format!("remove {path}"),
            What::Run(words) => format!("run {}", shown(words)),
        }
    }

    fn take(&self) -> Result<(), Fault> {
        let failed = |error: io::Error| format!("cannot {}: {error}", self.words());
        match self {
            What::Write { path, contents } => {
                put(Path::new(path), contents.as_bytes(), 0o644).map_err(failed)
            }
            What::Folder(path) => make(Path::new(path)).map_err(failed),
            What::Copy { from, to } => {
                fs::read(from).and_then(|bytes| put(Path::new(to), &bytes, 0o755)).map_err(failed)
            }
            What::Remove(path) => remove(Path::new(path)).map_err(failed),
            What::Run(words) => command::output(words).map(drop),
        }
    }
}

impl Step {
    pub(super) fn is_needed(&self) -> bool {
        self.is_needed
    }
}

/// Takes the steps that are needed, and says each; or says them only.
pub(super) fn take(steps: &[Step], dry_run: bool) -> Result<(), Fault> {
    for Step { what, is_needed } in steps {
        let words = what.words();
        match (is_needed, dry_run) {
            (false, _) => say(&format!("nothing to do  {words}")),
            (true, true) => say(&format!("would          {words}")),
            (true, false) => {
                what.take()?;
                say(&format!("done           {words}"));
            }
        }
        if let (true, true, What::Write { contents, .. }) = (is_needed, dry_run, what) {
            contents.lines().for_each(|line| say(format!("    {line}").trim_end()));
        }
    }
    if dry_run {
        say("Nothing was changed.");
    }
    Ok(())
}

/// Whole or not at all: a program that runs cannot be written to, but another can take its name.
fn put(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    make(path.parent().unwrap_or(Path::new("/")))?;
    let beside = path.with_extension("rollcall-new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Whatever root's umask is, the agent must find what lies in there.
fn make(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_whole_with_its_mode_in_a_folder_that_others_can_enter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/agent.toml");
        for bytes in [b"one".as_slice(), b"another"] {
            put(&path, bytes, 0o644).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o644, 0o755));
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1);
        remove(path.parent().unwrap()).unwrap();
        assert!(!path.exists());
    }
}
