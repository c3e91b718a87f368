//! Starts one program as its owner declared it: never by a shell, never by a search path, with nothing of this process's own.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use protocol::Refusal;
use protocol::chain::Hash;
use protocol::requests::explain::Plan;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Pid;

use crate::declared::{Declaration, nobody_else_can_change};

/// What the program writes.
pub(super) struct Written {
    pub(super) output: OwnedFd,
    pub(super) errors: OwnedFd,
}

/// Why a program was not started: a sentence.
pub(super) struct NotStarted(String);

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> NotStarted {
        NotStarted(error.to_string())
    }
}

impl NotStarted {
    pub(super) fn refusal(&self, declaration: &Declaration) -> Refusal {
        Refusal::cannot_start(&declaration.program.display().to_string(), &self.0)
    }
}

/// Starts it.
pub(super) fn start(declaration: &Declaration, plan: &Plan) -> Result<(Pid, Written), NotStarted> {
    let path = &declaration.program;
    look_at(path)?;
    let pinned = declaration.sha256.map(|hash| open_pinned(path, hash)).transpose()?;
    let mut command = match &pinned {
        // What was looked at is what is started, whatever stands under that name by now.
        Some(file) => Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())),
        None => Command::new(path),
    };
    command.arg0(path).args(&plan.argv[1..]).env_clear().envs(&plan.environment);
    command.current_dir(&declaration.folder).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(user) = &declaration.user {
        command.uid(user.id).gid(user.group);
    }
    let mut child = command.spawn().map_err(|error| explain(&error, declaration))?;
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(NotStarted("its output cannot be had".to_owned()));
    };
    Ok((Pid::from_child(&child), Written { output: output.into(), errors: errors.into() }))
}

fn look_at(path: &Path) -> Result<(), NotStarted> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => NotStarted("there is no such file".to_owned()),
        _ => NotStarted(format!("it cannot be looked at: {error}")),
    })?;
    if !metadata.is_file() {
        return Err(NotStarted("it is not a file".to_owned()));
    }
    if metadata.mode() & 0o111 == 0 {
        return Err(NotStarted("it is not executable".to_owned()));
    }
    nobody_else_can_change(path).map_err(NotStarted)
}

/// The file, if it holds what its owner pinned. The program inherits it, since a script is read once more when it runs.
fn open_pinned(path: &Path, pinned: Hash) -> Result<File, NotStarted> {
    let unreadable = |error| NotStarted(format!("it cannot be read, to compare its SHA-256: {error}"));
    let mut file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    let found = Hash::of(&bytes);
    if found != pinned {
        return Err(NotStarted(format!("its SHA-256 is {found}, and {pinned} is declared")));
    }
    fcntl_setfd(&file, FdFlags::empty()).map_err(io::Error::from)?;
    Ok(file)
}

fn explain(error: &io::Error, declaration: &Declaration) -> NotStarted {
    let folder = declaration.folder.display();
    NotStarted(match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) if !declaration.folder.is_dir() => {
            format!("the folder {folder}, in which it is to start, is not there")
        }
        Some(libc::ENOENT) => "what its first line (#!) names is not there".to_owned(),
        Some(libc::ENOEXEC) => "it is no program for this machine, and no script with #! in front".to_owned(),
        Some(libc::EACCES) => "this agent's user may not execute it, or what it needs".to_owned(),
        Some(libc::EPERM) => "the agent's user may not start it as the declared user".to_owned(),
        _ => error.to_string(),
    })
}
