//! Starts a program as `vfork` does: the child borrows this process's memory until it becomes the program, and this process waits
//! so long. Only for who becomes another user it does not: see [`start`].
//!
//! The standard library does the same by `posix_spawn`, which costs some 60 µs more of the 550 that `/bin/true` takes: it looks at
//! every signal in the child, and has the system map and unmap a stack for it. And what it cannot do, as limits and groups, it
//! does by copying this whole process.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::BorrowedFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio, write};
use rustix::process::{Gid, Pid, Resource, Rlimit, Uid, chdir, setpgid, setrlimit};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use super::told;

/// All that a program begins with. Signals are as usual for it, and it leads a group of its own.
pub(crate) struct Beginning<'a> {
    pub(crate) program: &'a CStr,
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: &'a [CString],
    pub(crate) folder: &'a CStr,
    /// What it reads from, writes to, and complains to. None of these is one of this process's own three, which are always open.
    pub(crate) streams: [BorrowedFd<'a>; 3],
    /// What it inherits besides.
    pub(crate) keeps: Option<BorrowedFd<'a>>,
    pub(crate) limits: [(Resource, Rlimit); 2],
    /// Who it is, where that is not whom this process is.
    pub(crate) user: Option<Other>,
}

/// Another user, with all groups that he has.
pub(crate) struct Other {
    pub(crate) id: Uid,
    pub(crate) group: Gid,
    pub(crate) groups: Vec<Gid>,
}

/// More than the child's few calls take. With every signal held back, no handler takes any of it.
const STACK: usize = 16 << 10;

/// For what this process may have a handler, which would run in the child before it is the program.
pub(crate) const HANDLED: [c_int; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// What goes to the child.
struct Errand<'a> {
    beginning: &'a Beginning<'a>,
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    /// Why it did not become the program.
    fault: AtomicI32,
    /// Where a copy tells that.
    tell: Option<PipeWriter>,
}

/// A child that is the program, or becomes it, or cannot.
pub(crate) struct Begun {
    pub(crate) child: Pid,
    fault: c_int,
    /// Where a copy tells that.
    told: Option<PipeReader>,
}

impl Begun {
    /// Why it did not become the program, as far as that is known: when the child is no more, it is.
    pub(crate) fn fault(self) -> Option<io::Error> {
        let mut fault = self.fault.to_ne_bytes();
        if let Some(mut told) = self.told {
            told.read_exact(&mut fault).ok()?;
        }
        Some(c_int::from_ne_bytes(fault)).filter(|fault| *fault != 0).map(io::Error::from_raw_os_error)
    }
}

/// Starts it. What becomes another user has a copy of the memory and is not waited for: from then on that user's programs may stop
/// it, and there are settings by which they may write to what it has.
///
/// # Errors
/// There is no child.
pub(crate) fn start(beginning: &Beginning<'_>) -> io::Result<Begun> {
    let list = |all: &[CString]| all.iter().map(|one| one.as_ptr()).chain([ptr::null()]).collect();
    let (arguments, environment) = (list(beginning.arguments), list(beginning.environment));
    let (lent, hear, tell) = match &beginning.user {
        None => (libc::CLONE_VM | libc::CLONE_VFORK, None, None),
        Some(_) => {
            let (hear, tell) = io::pipe()?;
            ioctl_fionbio(&hear, true)?;
            (0, Some(hear), Some(tell))
        }
    };
    let errand = Errand { beginning, arguments, environment, fault: AtomicI32::new(0), tell };
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let child = holding_everything_back(|| {
        let (flags, errand) = (lent | libc::SIGCHLD, &raw const errand);
        // SAFETY: the stack grows down from its end, and nobody else uses it. It, the errand and all that this points to live
        // until the call returns, which is when the child has a memory of its own or is no more. What the child does takes
        // neither memory nor a lock.
        told(unsafe {
            libc::clone(run, stack.as_mut_ptr_range().end.cast(), flags, errand.cast_mut().cast())
        })
    })?;
    let child = Pid::from_raw(child).ok_or(io::ErrorKind::NotFound)?;
    Ok(Begun { child, fault: errand.fault.into_inner(), told: hear })
}

/// Calls with every signal held back: a handler in the child would write to this process's memory.
fn holding_everything_back<T>(call: impl FnOnce() -> T) -> T {
    // SAFETY: zeros are a set. Each call writes to nothing but the set that it is given.
    let before = unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        before
    };
    let called = call();
    // SAFETY: reads the set that was in force.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) };
    called
}

/// The child, until it is the program.
extern "C" fn run(errand: *mut c_void) -> c_int {
    // SAFETY: whoever started this gave it, and waits.
    let errand = unsafe { &*errand.cast::<Errand<'_>>() };
    let fault = match errand.beginning.prepare() {
        Ok(()) => errand.become_it(),
        Err(fault) => fault,
    };
    let fault = fault.raw_os_error().unwrap_or(libc::ENOEXEC);
    errand.fault.store(fault, Ordering::Relaxed);
    if let Some(tell) = &errand.tell {
        let _ = write(tell, &fault.to_ne_bytes());
    }
    libc::EXIT_FAILURE
}

impl Beginning<'_> {
    /// What the child does with itself. These are calls of the kernel alone: those of the C library that change who a process is
    /// would change it for all threads.
    fn prepare(&self) -> io::Result<()> {
        setpgid(None, None)?;
        let [input, output, errors] = self.streams;
        dup2_stdin(input)?;
        dup2_stdout(output)?;
        dup2_stderr(errors)?;
        if let Some(kept) = self.keeps {
            fcntl_setfd(kept, FdFlags::empty())?;
        }
        for (resource, limit) in self.limits {
            setrlimit(resource, limit)?;
        }
        if let Some(user) = &self.user {
            set_thread_groups(&user.groups)?;
            set_thread_gid(user.group)?;
            // The last of these: he may not change his groups.
            set_thread_uid(user.id)?;
        }
        // He may enter what this process may not, and the other way round.
        Ok(chdir(self.folder)?)
    }
}

impl Errand<'_> {
    /// Comes back only with why it did not.
    fn become_it(&self) -> io::Error {
        // The standard library has this process ignore the last.
        for signal in HANDLED.into_iter().chain([libc::SIGPIPE]) {
            // SAFETY: the default action runs no code, and the table of handlers is the child's own.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: zeros are the empty set. Both lists end with a null, and hold what `start` borrows.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &std::mem::zeroed(), ptr::null_mut());
            libc::execve(self.beginning.program.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr());
        }
        io::Error::last_os_error()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use rustix::process::{WaitOptions, waitpid};

    use super::*;

    /// Starts a program with these words in a folder, its output and its errors going to the same pipe.
    fn started(program: &CStr, words: &[&CStr], folder: &CStr, output: &PipeWriter) -> Begun {
        let nothing = File::open("/dev/null").unwrap();
        let begun = start(&Beginning {
            program,
            arguments: &words.iter().map(|word| CString::from(*word)).collect::<Vec<_>>(),
            environment: &[c"ONE=1".into()],
            folder,
            streams: [nothing.as_fd(), output.as_fd(), output.as_fd()],
            keeps: None,
            limits: [(Resource::Core, 0), (Resource::Nofile, 20)]
                .map(|(which, limit)| (which, Rlimit { current: Some(limit), maximum: Some(limit) })),
            user: None,
        });
        begun.unwrap()
    }

    /// The signals of a line of `/proc/PID/status`.
    fn ignored(line: &str) -> u64 {
        u64::from_str_radix(line.split_whitespace().last().unwrap(), 16).unwrap()
    }

    #[test]
    fn a_program_has_what_it_was_given_and_nothing_of_this_process() {
        let (mut reader, writer) = io::pipe().unwrap();
        // Signals as another program inherits them: a shell holds some back while it starts one.
        let words = c"env -u PWD -u SHLVL -u _; pwd; ulimit -n; cut -d ' ' -f 5 /proc/$$/stat; \
                      grep -E '^Sig(Blk|Ign)' /proc/self/status; read line || echo $$";
        let begun = started(c"/bin/sh", &[c"sh", c"-c", words], c"/usr", &writer);
        drop(writer);
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        waitpid(Some(begun.child), WaitOptions::empty()).unwrap();
        let pid = begun.child.as_raw_nonzero();
        assert!(begun.fault().is_none());
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..4], ["ONE=1", "/usr", "20", &pid.to_string()], "{said}");
        assert_eq!(lines[4], "SigBlk:\t0000000000000000", "{said}");
        // What this process was made to ignore is another matter: the runner sees to that at its beginning.
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        let own = ignored(own.lines().find(|line| line.starts_with("SigIgn")).unwrap());
        let reset = HANDLED.into_iter().chain([libc::SIGPIPE]).map(|signal| 1 << (signal - 1));
        assert_eq!(ignored(lines[5]), own & !reset.sum::<u64>(), "{said}");
        assert_eq!(lines[6..], [pid.to_string()], "{said}");
    }

    #[test]
    fn what_cannot_begin_is_told() {
        let (_reader, writer) = io::pipe().unwrap();
        for (program, folder, fault) in [
            (c"/no/such/program", c"/", libc::ENOENT),
            (c"/etc", c"/", libc::EACCES),
            (c"/bin/true", c"/no/such/folder", libc::ENOENT),
        ] {
            let begun = started(program, &[c"program"], folder, &writer);
            waitpid(Some(begun.child), WaitOptions::empty()).unwrap();
            let told = begun.fault().and_then(|error| error.raw_os_error());
            assert_eq!(told, Some(fault), "{program:?} in {folder:?}");
        }
    }
}
