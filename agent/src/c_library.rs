//! Calls of the C library that no crate wraps. The only file of the project that needs `unsafe`.
#![allow(unsafe_code)]

use std::ffi::OsString;

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
