//! All processes that come from a job, however they hide: children, children of children, and those that left their parents.
//!
//! This process is their reaper: whoever loses his parent becomes its child. To tell whose child it was, each job has a mark
//! that processes inherit and do not use: their limit of real-time computing, which is out of reach for all of them. Whoever
//! changes his mark belongs to nobody, and is ended with the next job that ends.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, getrlimit, kill_process,
    set_child_subreaper, setrlimit, wait,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

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
        let mut ended = signal(SignalKind::child())?;
        let reaper = Arc::clone(&family);
        tokio::spawn(async move {
            while ended.recv().await.is_some() {
                reaper.reap();
            }
        });
        Ok(family)
    }

    /// What is started next has this mark.
    pub(super) fn mark(&self) -> io::Result<Mark> {
        let mark = Mark(FIRST_MARK + self.marks.fetch_add(1, Ordering::Relaxed));
        setrlimit(Resource::Rttime, Rlimit { current: Some(mark.0), maximum: None })?;
        Ok(mark)
    }

    /// A job's program has been started; how it ends is told when it does.
    pub(super) fn expect(&self, mark: Mark, pid: Pid) -> oneshot::Receiver<WaitStatus> {
        let (tell, told) = oneshot::channel();
        self.members().insert(pid, Member { mark, ended: Some(tell) });
        told
    }

    /// Ends all that is left of a job.
    pub(super) async fn end(&self, mark: Mark) {
        let began = Instant::now();
        let mut asked = BTreeSet::new();
        loop {
            self.reap();
            let left = self.left_of(mark);
            let waited = began.elapsed();
            if left.is_empty() || waited > GRACE + PATIENCE {
                break;
            }
            for pid in left {
                if waited > GRACE {
                    let _ = kill_process(pid, Signal::KILL);
                } else if asked.insert(pid.as_raw_nonzero()) {
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
            sleep(LOOK_AGAIN).await;
        }
        self.members().retain(|_, member| member.mark != mark);
    }

    /// Ends everything at once.
    pub(super) fn end_all(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.reap();
            let left = with_descendants(own_children());
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            for pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn left_of(&self, mark: Mark) -> Vec<Pid> {
        let members = self.members();
        let is_of_it = |pid: &Pid| match members.get(pid) {
            Some(member) => member.mark == mark,
            None => mark_of(*pid)
                .is_none_or(|found| found == mark || members.values().all(|member| member.mark != found)),
        };
        let roots = own_children().into_iter().filter(is_of_it).collect();
        with_descendants(roots)
    }

    fn reap(&self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(tell) = self.members().get_mut(&pid).and_then(|member| member.ended.take()) {
                let _ = tell.send(status);
            }
        }
    }

    fn members(&self) -> MutexGuard<'_, HashMap<Pid, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This process has one thread.
fn own_children() -> Vec<Pid> {
    listed(&fs::read_to_string(children_file(getpid(), getpid())).unwrap_or_default()).collect()
}

fn listed(list: &str) -> impl Iterator<Item = Pid> {
    list.split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?))
}

fn children_file(pid: Pid, thread: Pid) -> String {
    format!("/proc/{pid}/task/{thread}/children")
}

/// Those whose parent this is. A process that has ended has none.
fn children(pid: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let threads = threads.filter_map(|thread| Pid::from_raw(thread.file_name().to_str()?.parse().ok()?));
    let of_thread = |thread| fs::read_to_string(children_file(pid, thread)).unwrap_or_default();
    threads.map(of_thread).flat_map(|list| listed(&list).collect::<Vec<_>>()).collect()
}

fn with_descendants(mut all: Vec<Pid>) -> Vec<Pid> {
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        all.extend(children(pid));
        next += 1;
    }
    all
}

fn mark_of(pid: Pid) -> Option<Mark> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout"))?;
    line.split_whitespace().next()?.parse().ok().map(Mark)
}
