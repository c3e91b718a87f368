//! Starts one program as its owner declared it: never by a shell, never by a search path, with nothing of this process's own.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use protocol::Refusal;
use protocol::requests::explain::{Plan, Sort};
use rustix::fs::{OFlags, fcntl_getfl, fstatfs};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Resource, Rlimit, geteuid, getrlimit, setrlimit};
use tokio::task::spawn_blocking;

use crate::c_library;
use crate::declared::{Declaration, User};

/// The kernel's number for the file system of pipes that have no name.
const PIPEFS: i64 = 0x5049_5045;

/// What the program writes to.
pub(super) struct Pipes {
    output: OwnedFd,
    /// Where there is none, what it writes there is lost.
    errors: Option<OwnedFd>,
}

impl Pipes {
    /// Takes the ends of pipes without a name, and nothing else: what is written to others could mean something, and what can be
    /// read from could be read.
    pub(super) fn of(sort: Sort, descriptors: Vec<OwnedFd>) -> Result<Pipes, Refusal> {
        let is_good = |descriptor: &OwnedFd| {
            let flags = fcntl_getfl(descriptor)?;
            let is_for_writing = flags & OFlags::ACCMODE == OFlags::WRONLY && !flags.contains(OFlags::PATH);
            Ok::<_, io::Error>(is_for_writing && fstatfs(descriptor)?.f_type == PIPEFS)
        };
        let expected = if sort == Sort::Command { 2 } else { 1 };
        let are_good = descriptors.iter().all(|descriptor| is_good(descriptor).unwrap_or_default());
        let mut pipes = descriptors.into_iter();
        match (are_good && pipes.len() == expected, pipes.next(), pipes.next()) {
            (true, Some(output), errors) => Ok(Pipes { output, errors }),
            _ => Err(Refusal::failed("the program was not started", &"its pipes did not arrive")),
        }
    }
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

/// Starts it, unless it lies where the process that talks to the network may write.
pub(super) fn start(
    declaration: &Declaration,
    plan: &Plan,
    pinned: Option<&File>,
    writable: &[PathBuf],
    pipes: Pipes,
) -> Result<Pid, NotStarted> {
    let path = &declaration.program;
    // A link may lead elsewhere since it was declared.
    declaration.is_startable(writable).map_err(NotStarted)?;
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
    command.process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(pipes.output)
        .stderr(pipes.errors.map_or_else(Stdio::null, Stdio::from));
    match &declaration.user {
        // Nobody but root may name somebody else than himself.
        Some(user) if geteuid().is_root() => {
            let folder = CString::new(declaration.folder.as_os_str().as_bytes()).map_err(io::Error::from)?;
            c_library::begin_as(&mut command, (user.id, user.group), groups_of(user)?, folder);
        }
        _ => drop(command.current_dir(&declaration.folder)),
    }
    let child = command.spawn().map_err(|error| explain(&error, declaration))?;
    Ok(Pid::from_child(&child))
}

/// All groups of a user: his own, and those that name him.
fn groups_of(user: &User) -> Result<Vec<u32>, NotStarted> {
    const FILE: &str = "/etc/group";
    let all = fs::read_to_string(FILE).map_err(|error| {
        NotStarted(format!("{FILE} cannot be read, to find the groups of {}: {error}", user.name))
    })?;
    let naming = all.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        let (group, mut members) = (fields.next()?.parse().ok()?, fields.next()?.split(','));
        members.any(|member| member == user.name).then_some(group)
    });
    Ok(std::iter::once(user.group).chain(naming).collect())
}

/// What can be told beforehand is told in the same words.
fn explain(error: &io::Error, declaration: &Declaration) -> NotStarted {
    NotStarted(declaration.readiness().err().unwrap_or_else(|| match (error.raw_os_error(), &declaration.user) {
        (Some(libc::ENOEXEC), _) => "it is no program for this machine, and no script with #! in front".to_owned(),
        (Some(libc::EACCES), None) => "the agent's user may not execute what it needs".to_owned(),
        (Some(libc::EACCES), Some(user)) => format!(
            "{} may not execute it, or what it needs, or not enter {}, where it is to start",
            user.name,
            declaration.folder.display()
        ),
        (Some(libc::EPERM | libc::EINVAL), Some(user)) => format!(
            "the agent may not become the user {}: docs/operations.md, \"What a job may do\", says what its unit must allow",
            user.name
        ),
        _ => error.to_string(),
    }))
}
