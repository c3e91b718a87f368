//! Calls of the C library that no crate wraps, and one of tokio. The only room of the project that needs `unsafe`.
#![allow(unsafe_code)]

pub(crate) mod start;

use std::ffi::OsString;
use std::io;
use std::ops::Deref;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The kernel's clock as it is: the call's own verdict, and what it told.
pub(crate) fn read_kernel_clock() -> (libc::c_int, libc::timex) {
    // SAFETY: `timex` holds only integers, for which all zeros is a value, and the kernel writes to nothing but it.
    // Zero `modes` asks and sets nothing.
    unsafe {
        let mut told: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut told), told)
    }
}

/// Gives memory that was freed back to the system. glibc keeps it for ever when something small lies above it.
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the allocator's own locks, and touches only what is free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Reads a variable that was meant for this process alone, and takes it away: programs that the agent starts must not find it.
///
/// For the beginning of `main`: no other thread may run.
pub(crate) fn take_variable(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: no other thread reads or writes the environment, for there is none.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// Whatever this process was given at its start beside its three streams goes to nothing that it starts.
pub(crate) fn keep_descriptors() {
    // SAFETY: marks descriptors, and closes none. A kernel that does not know the call leaves them as they are.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// Signals that whoever started this process ignored would be ignored by all that it starts.
///
/// For the beginning: no signal has a handler yet.
pub(crate) fn ignore_no_signal() {
    // What the standard library has this process ignore, `start` puts right for each program.
    let usual = (1..=31).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGPIPE].contains(signal));
    for signal in usual {
        // SAFETY: the default action runs no code of this process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Readable when a child has ended. The signal that says so is held back for it: a handler would cost every job two turns of the
/// runtime.
///
/// For the beginning: threads that are there already hold nothing back.
pub(crate) fn ended_children() -> io::Result<OwnedFd> {
    // SAFETY: zeros are a set, and each call reads it or writes to nothing else. The descriptor is new, and nobody else knows of it.
    unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, libc::SIGCHLD);
        libc::pthread_sigmask(libc::SIG_BLOCK, &signals, ptr::null_mut());
        let descriptor = told(libc::signalfd(-1, &signals, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// A descriptor at which the runtime looks, for this or that and nothing else: at sockets of its own it always looks for both.
#[derive(Debug)]
pub(crate) struct Watched(AsyncFd<OwnedFd>);

impl Watched {
    pub(crate) fn new(descriptor: OwnedFd, interest: Interest) -> io::Result<Watched> {
        // SAFETY: it stays open as long as it is owned, and nobody gets it out or puts another in its place: what is given away
        // below lets it only be read.
        Ok(Watched(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?))
    }
}

impl Deref for Watched {
    type Target = AsyncFd<OwnedFd>;

    fn deref(&self) -> &AsyncFd<OwnedFd> {
        &self.0
    }
}

/// What the library answered, where that is not that it failed.
fn told(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// What the sandbox forbids, tried: each is harmless where it gets through. Nothing serves with these.
pub(crate) mod forbidden {
    use super::{io, ptr, told};

    /// Another process, which ends at once.
    pub(crate) fn fork() -> io::Result<()> {
        // SAFETY: the child calls nothing but `_exit`, which is allowed in the child of a program with threads.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child, and runs nothing of the parent's.
            unsafe { libc::_exit(0) };
        }
        told(child)?;
        // SAFETY: waits for that child, and writes to nothing.
        told(unsafe { libc::waitpid(child, ptr::null_mut(), 0) }).map(drop)
    }

    /// Traces a process without stopping it; that ends with this one.
    pub(crate) fn trace(process: libc::pid_t) -> io::Result<()> {
        // SAFETY: attaching reads and writes no memory of this process.
        let answer = unsafe {
            libc::ptrace(libc::PTRACE_SEIZE, process, ptr::null_mut::<u8>(), ptr::null_mut::<u8>())
        };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// A name space of its own for the machine's name.
    pub(crate) fn new_namespace() -> io::Result<()> {
        // SAFETY: changes what this thread sees of the machine's name, and no memory.
        told(unsafe { libc::unshare(libc::CLONE_NEWUTS) }).map(drop)
    }

    /// A kernel module from no file: whoever may load one hears that there is none.
    pub(crate) fn load_module() -> io::Result<()> {
        // SAFETY: no descriptor is -1, so the kernel reads nothing but the empty string.
        let answer = unsafe { libc::syscall(libc::SYS_finit_module, -1, c"".as_ptr(), 0) };
        told(libc::c_int::try_from(answer).unwrap_or(-1)).map(drop)
    }

    /// A page of memory that could be run.
    pub(crate) fn memory_for_code() -> io::Result<()> {
        let (rights, kind) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new page, where the kernel likes; nothing that is there is replaced.
        let page = unsafe { libc::mmap(ptr::null_mut(), 4096, rights, kind, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: that page, which nobody knows of.
        told(unsafe { libc::munmap(page, 4096) }).map(drop)
    }
}
