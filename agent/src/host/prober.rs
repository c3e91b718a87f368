//! Asks mounted file systems how full they are, on threads of its own: a file server that died makes the asking
//! thread wait for as long as it is dead, and no signal ends that.
//!
//! One thread asks one mount after another. When a mount keeps it too long, another thread takes over the rest and
//! the first ends with its answer. A mount is never asked twice at a time, so there are never more threads than one
//! and those that are held.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use protocol::requests::info::Space;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::mounts::Mount;

/// How full it is, or why that is not known.
pub(super) type Answer = Result<Space, String>;
/// What asks one mount, and may wait for ever.
pub(super) type Probe = Arc<dyn Fn(&Mount) -> Answer + Send + Sync>;
/// The least patience with a mount: a timer wakes no finer.
const SHORTEST: Duration = Duration::from_millis(1);

/// A mount that is unmounted and mounted again gets another device, and is asked anew.
type Key = ((u32, u32), String);

/// It starts no thread before it is first asked.
pub(super) struct Prober {
    limit: Duration,
    shared: Arc<Shared>,
}

struct Shared {
    probe: Probe,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Mount>,
    /// Asked for and not answered yet, whether queued or in a thread's hands.
    pending: HashMap<Key, Pending>,
    /// The thread that takes from the queue, by the order of their starting.
    current: Option<u64>,
    /// Since when the current thread has had the mount it is at.
    held_since: Option<Instant>,
    started: u64,
    ended: bool,
}

struct Pending {
    answer: watch::Sender<Option<Answer>>,
    /// When a thread asked it.
    begun: Option<Timestamp>,
    /// Somebody has waited for it in vain; from now on nobody does.
    given_up: bool,
}

/// What one asker waits for.
enum Ticket {
    Wait(Key, watch::Receiver<Option<Answer>>),
    Stuck(Timestamp),
}

impl Prober {
    pub(super) fn new(limit: Duration, probe: Probe) -> Prober {
        let shared = Shared { probe, state: Mutex::default(), work: Condvar::new() };
        Prober { limit, shared: Arc::new(shared) }
    }

    /// Has the mounts asked; the answers are waited for by [`Asked::answers`].
    pub(super) fn ask(&self, mounts: &[Mount]) -> Asked<'_> {
        let until = Instant::now() + self.limit;
        // So short that every mount gets its turn in half the time, even if all of them hang.
        let turns = u32::try_from(2 * mounts.len() + 2).unwrap_or(u32::MAX);
        let patience = (self.limit / turns).max(SHORTEST);
        let mut state = self.shared.lock();
        let tickets = mounts.iter().map(|mount| state.ticket(mount)).collect();
        drop(state);
        self.shared.relieve(patience);
        self.shared.work.notify_one();
        Asked { prober: self, until, patience, tickets }
    }
}

/// Mounts that are being asked.
pub(super) struct Asked<'a> {
    prober: &'a Prober,
    until: Instant,
    patience: Duration,
    tickets: Vec<Ticket>,
}

impl Asked<'_> {
    /// For each mount in order, within the limit for all of them together.
    pub(super) async fn answers(self) -> Vec<Answer> {
        let relieve = async {
            loop {
                sleep(self.prober.shared.relieve(self.patience)).await;
            }
        };
        let answers = async {
            let mut answers = Vec::with_capacity(self.tickets.len());
            for ticket in self.tickets {
                answers.push(self.prober.wait(ticket, self.until).await);
            }
            answers
        };
        tokio::select! {
            // What is there already needs no timer.
            biased;
            answers = answers => answers,
            () = relieve => Vec::new(), // It never ends.
        }
    }
}

impl Prober {
    async fn wait(&self, ticket: Ticket, until: Instant) -> Answer {
        let (key, mut answer) = match ticket {
            Ticket::Stuck(since) => return Err(format!("has not answered since {}", seconds(since))),
            Ticket::Wait(key, answer) => (key, answer),
        };
        match timeout_at(until, answer.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_else(|| Err("did not answer".to_owned())),
            Ok(Err(_)) => Err("could not be asked".to_owned()),
            Err(_) => {
                self.shared.give_up(&key);
                Err(format!("did not answer within {} s", self.limit.as_secs_f64()))
            }
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_all();
    }
}

impl State {
    fn ticket(&mut self, mount: &Mount) -> Ticket {
        let key = key(mount);
        if let Some(pending) = self.pending.get(&key) {
            return match pending.begun {
                Some(since) if pending.given_up => Ticket::Stuck(since),
                _ => Ticket::Wait(key, pending.answer.subscribe()),
            };
        }
        let (answer, waiting) = watch::channel(None);
        self.pending.insert(key.clone(), Pending { answer, begun: None, given_up: false });
        self.queue.push_back(mount.clone());
        Ticket::Wait(key, waiting)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread if there is none, or if it is held while others wait behind it. Tells when to look again.
    fn relieve(self: &Arc<Self>, patience: Duration) -> Duration {
        let mut state = self.lock();
        let held = state.held_since.map_or(Duration::ZERO, |since| since.elapsed());
        if state.queue.is_empty() || (state.current.is_some() && held < patience) {
            return patience.saturating_sub(held).max(SHORTEST);
        }
        self.start_thread(&mut state);
        patience
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) {
        state.started += 1;
        let (id, shared) = (state.started, self.clone());
        // It calls nothing deep; thousands of dead mounts should not cost address space.
        let thread = thread::Builder::new().name("disks".to_owned()).stack_size(128 << 10);
        match thread.spawn(move || shared.work_as(id)) {
            Ok(_) => (state.current, state.held_since) = (Some(id), None),
            Err(_) => {
                // Too many processes on the machine, say. Dropping the senders tells the askers.
                for mount in std::mem::take(&mut state.queue) {
                    state.pending.remove(&key(&mount));
                }
            }
        }
    }

    fn work_as(&self, id: u64) {
        let mut state = self.lock();
        while state.current == Some(id) && !state.ended {
            let Some(mount) = state.queue.pop_front() else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.held_since = Some(Instant::now());
            if let Some(pending) = state.pending.get_mut(&key(&mount)) {
                pending.begun = Some(Timestamp::now());
            }
            drop(state);
            let answer = (self.probe)(&mount);
            state = self.lock();
            if state.current == Some(id) {
                state.held_since = None;
            }
            if let Some(pending) = state.pending.remove(&key(&mount)) {
                pending.answer.send_replace(Some(answer));
            }
        }
    }

    fn give_up(&self, key: &Key) {
        if let Some(pending) = self.lock().pending.get_mut(key) {
            pending.given_up = pending.begun.is_some();
        }
    }
}

fn key(mount: &Mount) -> Key {
    (mount.device, mount.point.clone())
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests;
