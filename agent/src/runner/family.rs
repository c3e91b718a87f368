//! All processes that come from a job, however they hide: children, children of children, and those that left their parents.
//!
//! This process is their reaper: whoever loses his parent becomes its child. To tell whose child it was, each job has a mark
//! that processes inherit and do not use: their limit of real-time computing, which is out of reach for all of them. Whoever
//! changes his mark belongs to nobody and is ended when the next job ends, or when that one ends whose mark he has taken.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::{Errno, read};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, getrlimit, kill_process,
    set_child_subreaper, wait,
};
use tokio::io::Interest;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::c_library::start::Begun;
use crate::c_library::{Watched, ended_children};

/// Microseconds: 35 years of computing without a pause.
const FIRST_MARK: u64 = 1 << 50;

/// For what was asked to end, before it is ended.
const GRACE: Duration = Duration::from_millis(500);

/// Whoever cannot be ended for so long waits for a device; nobody waits for him.
const PATIENCE: Duration = Duration::from_secs(2);

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Tells one job's processes from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark(u64);

/// All jobs, and the program of each.
#[derive(Debug, Default)]
pub(super) struct Family {
    members: Mutex<HashMap<Pid, Member>>,
    marks: AtomicU64,
}

/// What is left when a job ends.
struct Left {
    own: Vec<Pid>,
    /// Of jobs that are over, and of nobody.
    strangers: Vec<Pid>,
}

#[derive(Debug)]
struct Member {
    mark: Mark,
    ended: Option<oneshot::Sender<WaitStatus>>,
}

impl Family {
    /// From now on this process is told of every one that ends.
    pub(super) fn begin() -> io::Result<Arc<Family>> {
        if getrlimit(Resource::Rttime).maximum.is_some() {
            return Err(io::Error::other(
                "the limit of real-time computing is set, by which jobs are told apart",
            ));
        }
        fs::metadata(children_file(getpid(), getpid())).map_err(|_| {
            io::Error::other("this kernel does not tell whose child a process is (CONFIG_PROC_CHILDREN)")
        })?;
        set_child_subreaper(Some(getpid()))?;
        let family = Arc::new(Family::default());
        let ended = Watched::new(ended_children()?, Interest::READABLE)?;
        let reaper = Arc::clone(&family);
        tokio::spawn(async move {
            let mut told = [0; 128];
            while ended.async_io(Interest::READABLE, |told_by| Ok(read(told_by, &mut told)?)).await.is_ok() {
                reaper.reap();
            }
        });
        Ok(family)
    }

    /// Starts a job's program with the limit that is its mark. How it ends is told when it does.
    pub(super) fn start<E>(
        &self,
        start: impl FnOnce((Resource, Rlimit)) -> Result<Begun, E>,
    ) -> Result<(Mark, oneshot::Receiver<WaitStatus>, Begun), E> {
        let mark = Mark(FIRST_MARK + self.marks.fetch_add(1, Ordering::Relaxed));
        let begun = start((Resource::Rttime, Rlimit { current: Some(mark.0), maximum: None }))?;
        let (tell, told) = oneshot::channel();
        // Whoever hears of its end runs after this.
        self.members().insert(begun.child, Member { mark, ended: Some(tell) });
        Ok((mark, told, begun))
    }

    /// Ends all that is left of a job, and whatever belongs to none; only for the job's own it waits.
    pub(super) async fn end(&self, mark: Mark) {
        let began = Instant::now();
        let mut asked = BTreeSet::new();
        while self.reap() {
            let waited = began.elapsed();
            // Without a descriptor to look with, nobody knows; there will be one.
            if let Ok(Left { own, strangers }) = self.left_of(mark) {
                end_now(strangers);
                if own.is_empty() {
                    break;
                }
                if waited > GRACE {
                    end_now(own);
                } else {
                    for pid in own.into_iter().filter(|pid| asked.insert(pid.as_raw_nonzero())) {
                        let _ = kill_process(pid, Signal::TERM);
                    }
                }
            }
            if waited > GRACE + PATIENCE {
                break;
            }
            sleep(LOOK_AGAIN).await;
        }
        self.members().retain(|_, member| member.mark != mark);
    }

    /// Ends everything at once.
    pub(super) fn end_all(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.reap() && Instant::now() < deadline {
            if let Ok(left) = own_children().and_then(with_descendants) {
                end_now(left);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn left_of(&self, mark: Mark) -> io::Result<Left> {
        let members = self.members();
        let (mut own, mut strangers) = (Vec::new(), Vec::new());
        for pid in own_children()? {
            let found = match members.get(&pid) {
                Some(member) => Some(member.mark),
                None => mark_of(pid)?,
            };
            match found {
                Some(found) if found == mark => own.push(pid),
                Some(found) if members.values().any(|member| member.mark == found) => {}
                _ => strangers.push(pid),
            }
        }
        Ok(Left { own: with_descendants(own)?, strangers: with_descendants(strangers)? })
    }

    /// Hears of all that have ended, and whether there are others. Where there are none, nothing is left of any job: whoever
    /// loses his parent becomes a child of this process in the same moment.
    fn reap(&self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let mut members = self.members();
                    if let Some(tell) = members.get_mut(&pid).and_then(|member| member.ended.take()) {
                        let _ = tell.send(status);
                    }
                }
                Ok(None) => return true,
                Err(error) => return error != Errno::CHILD,
            }
        }
    }

    fn members(&self) -> MutexGuard<'_, HashMap<Pid, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_now(all: Vec<Pid>) {
    for pid in all {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// One thread alone starts programs, and it is the first.
fn own_children() -> io::Result<Vec<Pid>> {
    Ok(listed(&fs::read_to_string(children_file(getpid(), getpid()))?))
}

fn listed(list: &str) -> Vec<Pid> {
    list.split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
}

fn children_file(pid: Pid, thread: Pid) -> String {
    format!("/proc/{pid}/task/{thread}/children")
}

/// Those whose parent this is.
fn children(pid: Pid) -> io::Result<Vec<Pid>> {
    let mut all = Vec::new();
    for thread in unless_gone(fs::read_dir(format!("/proc/{pid}/task")))?.into_iter().flatten() {
        let number = thread?.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(thread) = number.and_then(Pid::from_raw) {
            let list = unless_gone(fs::read_to_string(children_file(pid, thread)))?;
            all.extend(listed(&list.unwrap_or_default()));
        }
    }
    Ok(all)
}

/// A process that has ended has nothing any more.
fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => Ok(None),
        read => read.map(Some),
    }
}

fn with_descendants(mut all: Vec<Pid>) -> io::Result<Vec<Pid>> {
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        all.extend(children(pid)?);
        next += 1;
    }
    Ok(all)
}

fn mark_of(pid: Pid) -> io::Result<Option<Mark>> {
    let limits = unless_gone(fs::read_to_string(format!("/proc/{pid}/limits")))?.unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout"));
    let limit = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Ok(limit.map(Mark))
}
