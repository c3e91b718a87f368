//! Starts one program as its owner declared it: never by a shell, never by a search path, with nothing of this process's own.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::iter;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use protocol::Refusal;
use protocol::requests::explain::{Plan, Sort};
use rustix::fs::{OFlags, fcntl_getfl, fstatfs};
use rustix::process::{Gid, Resource, Rlimit, Uid, geteuid, getrlimit, setrlimit};
use tokio::task::spawn_blocking;

use crate::c_library::start::{Beginning, Begun, Other, start as begin};
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

/// Takes all descriptors that this process may have: each job that waits is one. What it starts keeps the usual limit, which is
/// returned: it may use select(2).
pub(super) fn take_all_descriptors() -> (Resource, Rlimit) {
    let usual = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: usual.maximum, ..usual });
    (Resource::Nofile, usual)
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

/// What is to be started.
pub(super) struct Program<'a> {
    pub(super) declaration: &'a Declaration,
    pub(super) plan: Plan,
    /// Its file, where it was looked into.
    pub(super) pinned: Option<File>,
    pub(super) pipes: Pipes,
}

impl Program<'_> {
    /// Starts it within these limits, unless it lies where the process that talks to the network may write.
    pub(super) fn start(
        self,
        writable: &[PathBuf],
        limits: [(Resource, Rlimit); 2],
    ) -> Result<Begun, NotStarted> {
        let Program { declaration, plan, pinned, pipes } = self;
        // A link may lead elsewhere since it was declared.
        declaration.is_startable(writable).map_err(NotStarted)?;
        let path = words(declaration.program.as_os_str().as_bytes())?;
        let program = match &pinned {
            // What was looked at is what is started, whatever stands under that name by now. The program inherits it, since a
            // script is read once more when it runs.
            Some(file) => words(format!("/proc/self/fd/{}", file.as_raw_fd()))?,
            None => path.clone(),
        };
        let arguments = plan.argv.iter().skip(1).map(|argument| words(argument.as_str()));
        let arguments = iter::once(Ok(path)).chain(arguments).collect::<Result<Vec<_>, _>>()?;
        let environment = plan.environment.iter().map(|(name, value)| words(format!("{name}={value}")));
        let nothing = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
        let beginning = Beginning {
            program: &program,
            arguments: &arguments,
            environment: &environment.collect::<Result<Vec<_>, _>>()?,
            folder: &words(declaration.folder.as_os_str().as_bytes())?,
            streams: [&nothing, &pipes.output, pipes.errors.as_ref().unwrap_or(&nothing)].map(AsFd::as_fd),
            keeps: pinned.as_ref().map(AsFd::as_fd),
            limits,
            // Nobody but root may name somebody else than himself.
            user: declaration.user.as_ref().filter(|_| geteuid().is_root()).map(other).transpose()?,
        };
        Ok(begin(&beginning)?)
    }
}

/// As the kernel takes them.
fn words(text: impl Into<Vec<u8>>) -> io::Result<CString> {
    Ok(CString::new(text)?)
}

/// A user with all groups that he has: his own, and those that name him.
fn other(user: &User) -> Result<Other, NotStarted> {
    const FILE: &str = "/etc/group";
    let all = fs::read_to_string(FILE).map_err(|error| {
        NotStarted(format!("{FILE} cannot be read, to find the groups of {}: {error}", user.name))
    })?;
    let naming = all.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        let (group, mut members) = (fields.next()?.parse().ok()?, fields.next()?.split(','));
        members.any(|member| member == user.name).then_some(group)
    });
    let groups = iter::once(user.group).chain(naming).map(Gid::from_raw).collect();
    Ok(Other { id: Uid::from_raw(user.id), group: Gid::from_raw(user.group), groups })
}

/// Why it did not begin. What can be told beforehand is told in the same words.
pub(super) fn explain(error: &io::Error, declaration: &Declaration) -> NotStarted {
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
