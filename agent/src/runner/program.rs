//! Starts one program as its owner declared it: never by a shell, never by a search path, with nothing of this process's own.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use protocol::Refusal;
use protocol::requests::explain::Plan;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::spawn_blocking;

use crate::declared::Declaration;

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

/// How many descriptors this process may have, and how many what it starts.
pub(super) struct Descriptors {
    usual: Rlimit,
    all: Rlimit,
}

impl Descriptors {
    /// Takes all that this process may have: each job that waits is one.
    pub(super) fn raise() -> Descriptors {
        let usual = getrlimit(Resource::Nofile);
        let all = Rlimit { current: usual.maximum, ..usual };
        let _ = setrlimit(Resource::Nofile, all);
        Descriptors { usual, all }
    }

    /// Starts something that keeps the usual limit: it may use select(2).
    pub(super) fn usual_for<T>(&self, start: impl FnOnce() -> T) -> T {
        let _ = setrlimit(Resource::Nofile, self.usual);
        let started = start();
        let _ = setrlimit(Resource::Nofile, self.all);
        started
    }
}

/// The program's file, where its owner pinned what it must hold. Reading it may take a while, and others do not wait for that.
pub(super) async fn pinned(declaration: &Declaration) -> Result<Option<File>, NotStarted> {
    if declaration.sha256.is_none() {
        return Ok(None);
    }
    aside(declaration, Declaration::pinned).await
}

/// Makes sure that it could be started.
pub(super) async fn ready(declaration: &Declaration) -> Result<(), NotStarted> {
    aside(declaration, Declaration::readiness).await
}

async fn aside<T: Send + 'static>(
    declaration: &Declaration,
    look: fn(&Declaration) -> Result<T, String>,
) -> Result<T, NotStarted> {
    let declaration = declaration.clone();
    let looked = spawn_blocking(move || look(&declaration)).await;
    looked.unwrap_or_else(|error| Err(error.to_string())).map_err(NotStarted)
}

/// Starts it.
pub(super) fn start(
    declaration: &Declaration,
    plan: &Plan,
    pinned: Option<&File>,
) -> Result<(Pid, Written), NotStarted> {
    let path = &declaration.program;
    declaration.is_startable().map_err(NotStarted)?;
    let mut command = match pinned {
        // What was looked at is what is started, whatever stands under that name by now. The program inherits it, since a
        // script is read once more when it runs.
        Some(file) => {
            fcntl_setfd(file, FdFlags::empty()).map_err(io::Error::from)?;
            Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()))
        }
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

/// What can be told beforehand is told in the same words.
fn explain(error: &io::Error, declaration: &Declaration) -> NotStarted {
    NotStarted(declaration.readiness().err().unwrap_or_else(|| match (error.raw_os_error(), &declaration.user) {
        (Some(libc::ENOEXEC), _) => "it is no program for this machine, and no script with #! in front".to_owned(),
        (Some(libc::EACCES), None) => "the agent's user may not execute what it needs".to_owned(),
        (Some(libc::EACCES), Some(user)) => format!("{} may not execute it, or what it needs", user.name),
        (Some(libc::EPERM | libc::EINVAL), Some(user)) => format!(
            "the agent may not become the user {}: docs/operations.md, \"What a job may do\", says what its unit must allow",
            user.name
        ),
        _ => error.to_string(),
    }))
}
