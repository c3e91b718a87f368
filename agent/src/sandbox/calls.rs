//! seccomp: the system calls that an agent needs to serve. All others fail with "operation not permitted".

use std::collections::BTreeMap;

use rustix::process::getpid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

/// Whatever their arguments: they act on what is open already, on the process itself, or on files, which Landlock guards.
#[rustfmt::skip]
const FREE: &[libc::c_long] = &[
    // What is open.
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_write, libc::SYS_writev, libc::SYS_pwrite64,
    libc::SYS_close, libc::SYS_lseek, libc::SYS_fstat, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_ftruncate,
    libc::SYS_flock, libc::SYS_getdents64, libc::SYS_fstatfs, libc::SYS_dup,
    // Files by name.
    libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_statfs, libc::SYS_readlinkat, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_unlinkat, libc::SYS_renameat, libc::SYS_renameat2,
    libc::SYS_linkat, libc::SYS_getcwd, libc::SYS_umask,
    // Connections that came in, and pairs.
    libc::SYS_accept4, libc::SYS_recvfrom, libc::SYS_recvmsg, libc::SYS_getsockname, libc::SYS_getpeername,
    libc::SYS_getsockopt, libc::SYS_shutdown, libc::SYS_pipe2,
    // Waiting.
    libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2, libc::SYS_eventfd2,
    libc::SYS_ppoll, libc::SYS_wait4, libc::SYS_waitid, libc::SYS_clock_nanosleep, libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    // Threads.
    libc::SYS_futex, libc::SYS_set_robust_list, libc::SYS_rseq, libc::SYS_sched_getaffinity, libc::SYS_sched_yield,
    libc::SYS_gettid, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_clone3,
    // Signals to itself.
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack,
    // Memory, without code in it.
    libc::SYS_brk, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise,
    // Questions. Without the right to, a clock is only read.
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_gettimeofday, libc::SYS_adjtimex, libc::SYS_clock_adjtime,
    libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_getrandom, libc::SYS_getpid, libc::SYS_getppid, libc::SYS_getuid, libc::SYS_geteuid,
    libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getrusage, libc::SYS_getcpu,
];

/// The same under their older names, which newer architectures lack.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLDER: &[libc::c_long] = &[
    libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_rename, libc::SYS_unlink,
    libc::SYS_link, libc::SYS_poll, libc::SYS_epoll_wait, libc::SYS_time, libc::SYS_getrlimit,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[libc::c_long] = &[];

/// A thread, and nothing of its own besides: no other process, no namespace.
const THREAD: u64 = libc::CLONE_THREAD as u64;
const NOT_A_THREAD: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_PTRACE) as u64;

/// Memory and threads get names; and a process may read what the kernel told it at its start, the size of a page among it.
const PR_SET_VMA: u64 = 0x5356_4d41;
const PR_GET_AUXV: u64 = 0x4155_5856;
const PR_SET_NAME: u64 = libc::PR_SET_NAME as u64;

pub(super) fn restrict() -> Result<(), String> {
    let apply = |program: BpfProgram| apply_filter_all_threads(&program).map_err(|error| error.to_string());
    // The C library then makes threads with `clone`, whose flags can be seen; those of `clone3` cannot.
    apply(clone3_is_unknown().map_err(|error| error.to_string())?)?;
    apply(only_needed().map_err(|error| error.to_string())?)
}

fn clone3_is_unknown() -> Result<BpfProgram, BackendError> {
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let rules = Rules::from([(libc::SYS_clone3, Vec::new())]);
    SeccompFilter::new(rules, SeccompAction::Allow, unknown, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn only_needed() -> Result<BpfProgram, BackendError> {
    let mut rules: Rules = FREE.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    rules.extend(processes()?);
    rules.extend(memory()?);
    rules.extend(sockets()?);
    rules.extend(descriptors()?);
    rules.extend(files()?);
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, refused, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn processes() -> Result<Rules, BackendError> {
    let own = u64::from(getpid().as_raw_pid().unsigned_abs());
    Ok(Rules::from([
        (libc::SYS_clone, vec![all([masked(0, THREAD | NOT_A_THREAD, THREAD)?])?]),
        // Whether a process lives; and an abort, of this one.
        (libc::SYS_kill, vec![all([is(1, 0)?])?]),
        (libc::SYS_tgkill, vec![all([is(0, own)?])?]),
        // Limits are read and not set.
        (libc::SYS_prlimit64, vec![all([wide(2, 0)?])?]),
        (libc::SYS_prctl, any_of(0, &[PR_SET_NAME, PR_SET_VMA, PR_GET_AUXV])?),
    ]))
}

fn memory() -> Result<Rules, BackendError> {
    let no_code = || masked(2, libc::PROT_EXEC.unsigned_abs().into(), 0);
    Ok(Rules::from([
        (libc::SYS_mmap, vec![all([no_code()?])?]),
        (libc::SYS_mprotect, vec![all([no_code()?])?]),
    ]))
}

/// No address can be bound, and none connected to. A send may name none either: TCP can connect by one.
fn sockets() -> Result<Rules, BackendError> {
    let netlink = libc::AF_NETLINK.unsigned_abs().into();
    let routes = libc::NETLINK_ROUTE.unsigned_abs().into();
    let fast_open: u64 = libc::MSG_FASTOPEN.unsigned_abs().into();
    Ok(Rules::from([
        (libc::SYS_socket, vec![all([is(0, netlink)?, is(2, routes)?])?]),
        (libc::SYS_socketpair, pairs()?),
        (libc::SYS_sendto, vec![all([wide(4, 0)?, masked(3, fast_open, 0)?])?]),
        (libc::SYS_sendmsg, vec![all([masked(2, fast_open, 0)?])?]),
        (libc::SYS_setsockopt, options()?),
    ]))
}

/// Pairs that are connected for good. Datagrams could be sent to any socket that has a name among the files.
fn pairs() -> Result<Vec<SeccompRule>, BackendError> {
    const KIND: u64 = 0xf;
    let unix = libc::AF_UNIX.unsigned_abs().into();
    [libc::SOCK_STREAM, libc::SOCK_SEQPACKET]
        .map(|kind| all([is(0, unix)?, masked(1, KIND, kind.unsigned_abs().into())?]))
        .into_iter()
        .collect()
}

/// Of connections that came in: when a dead one is noticed, and that small answers do not wait.
fn options() -> Result<Vec<SeccompRule>, BackendError> {
    [
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        (libc::SOL_SOCKET, libc::SO_LINGER),
        (libc::SOL_TCP, libc::TCP_NODELAY),
        (libc::SOL_TCP, libc::TCP_KEEPIDLE),
        (libc::SOL_TCP, libc::TCP_KEEPINTVL),
        (libc::SOL_TCP, libc::TCP_KEEPCNT),
        (libc::SOL_TCP, libc::TCP_USER_TIMEOUT),
    ]
    .map(|(level, option)| all([is(1, level.unsigned_abs().into())?, is(2, option.unsigned_abs().into())?]))
    .into_iter()
    .collect()
}

/// No file is made whose rights are its owner's for whoever starts it: root's, where the agent is started as root.
fn files() -> Result<Rules, BackendError> {
    const RIGHTS: u64 = 0o7000;
    let makes_one: u64 = (libc::O_CREAT | libc::O_TMPFILE).unsigned_abs().into();
    let mut rules = Rules::from([
        // Without a file to be made, what stands in the mode's place means nothing.
        (libc::SYS_openat, vec![all([masked(2, makes_one, 0)?])?, all([masked(3, RIGHTS, 0)?])?]),
        (libc::SYS_fchmod, vec![all([masked(1, RIGHTS, 0)?])?]),
        (libc::SYS_mkdirat, vec![all([masked(2, RIGHTS, 0)?])?]),
    ]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_mkdir, vec![all([masked(1, RIGHTS, 0)?])?]);
    Ok(rules)
}

fn descriptors() -> Result<Rules, BackendError> {
    let plain = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC];
    Ok(Rules::from([
        (libc::SYS_fcntl, any_of(1, &plain.map(|command| command.unsigned_abs().into()))?),
        // Whether the log is a terminal.
        (libc::SYS_ioctl, any_of(1, &[libc::TCGETS, libc::FIONBIO])?),
    ]))
}

fn all<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

fn any_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| all([is(argument, *value)?])).collect()
}

/// An argument that the kernel takes as an `int`.
fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// An address or a long.
fn wide(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
}
