//! Asks what may never answer, on threads of its own: a file server that died makes the asking thread wait for as long as
//! it is dead, and no signal ends that.
//!
//! One thread asks one question after another. When one keeps it too long, another thread takes over the rest and
//! the first ends with its answer. Nothing is asked twice at a time, so there are never more threads than one
//! and those that are held; and not more than so many of these.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

/// What is known of a question, or why it is not.
pub(super) type Answer<A> = Result<A, String>;
/// What answers one question, and may wait for ever.
pub(super) type Probe<Q, A> = Arc<dyn Fn(&Q) -> Answer<A> + Send + Sync>;
/// The least patience with a question: a timer wakes no finer.
const SHORTEST: Duration = Duration::from_millis(1);
/// A service may have 256 threads, and this is not all that it needs them for.
const MOST_THREADS: u64 = 32;
/// Whoever asks ever more questions while none is answered must not fill the memory.
const MOST_WAITING: usize = 4096;

/// It starts no thread before it is first asked.
pub(super) struct Prober<Q, A> {
    limit: Duration,
    shared: Arc<Shared<Q, A>>,
}

struct Shared<Q, A> {
    /// Of its threads.
    name: &'static str,
    probe: Probe<Q, A>,
    state: Mutex<State<Q, A>>,
    work: Condvar,
}

struct State<Q, A> {
    queue: VecDeque<Q>,
    /// Asked for and not answered yet, whether queued or in a thread's hands.
    pending: HashMap<Q, Pending<A>>,
    /// The thread that takes from the queue, by the order of their starting.
    current: Option<u64>,
    /// Since when the current thread has had the question it is at.
    held_since: Option<Instant>,
    started: u64,
    /// Threads that are no more.
    over: u64,
    ended: bool,
}

struct Pending<A> {
    answer: watch::Sender<Option<Answer<A>>>,
    /// When a thread asked it.
    begun: Option<Timestamp>,
    /// Somebody has waited for it in vain; from now on nobody does.
    given_up: bool,
}

/// What one asker waits for.
enum Ticket<Q, A> {
    Wait(Q, watch::Receiver<Option<Answer<A>>>),
    Stuck(Timestamp),
    TurnedAway,
}

impl<Q, A> Prober<Q, A>
where
    Q: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    pub(super) fn new(name: &'static str, limit: Duration, probe: Probe<Q, A>) -> Prober<Q, A> {
        let shared = Shared { name, probe, state: Mutex::new(State::new()), work: Condvar::new() };
        Prober { limit, shared: Arc::new(shared) }
    }

    /// Has the questions asked; the answers are waited for by [`Asked::answers`].
    pub(super) fn ask(&self, questions: &[Q]) -> Asked<'_, Q, A> {
        let until = Instant::now() + self.limit;
        // So short that every question gets its turn in half the time, even if all of them hang.
        let turns = u32::try_from(2 * questions.len() + 2).unwrap_or(u32::MAX);
        let patience = (self.limit / turns).max(SHORTEST);
        let mut state = self.shared.lock();
        let tickets = questions.iter().map(|question| state.ticket(question)).collect();
        drop(state);
        self.shared.relieve(patience);
        self.shared.work.notify_one();
        Asked { prober: self, until, patience, tickets }
    }
}

/// Questions that are being asked.
pub(super) struct Asked<'a, Q, A> {
    prober: &'a Prober<Q, A>,
    until: Instant,
    patience: Duration,
    tickets: Vec<Ticket<Q, A>>,
}

impl<Q, A> Asked<'_, Q, A>
where
    Q: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    /// For each question in order, within the limit for all of them together.
    pub(super) async fn answers(self) -> Vec<Answer<A>> {
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

impl<Q, A> Prober<Q, A>
where
    Q: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    async fn wait(&self, ticket: Ticket<Q, A>, until: Instant) -> Answer<A> {
        let (question, mut answer) = match ticket {
            Ticket::Stuck(since) => return Err(format!("has not answered since {}", seconds(since))),
            Ticket::TurnedAway => return Err("was not asked: too many others do not answer".to_owned()),
            Ticket::Wait(question, answer) => (question, answer),
        };
        match timeout_at(until, answer.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_else(|| Err("did not answer".to_owned())),
            Ok(Err(_)) => Err("could not be asked".to_owned()),
            Err(_) => {
                let limit = self.limit.as_secs_f64();
                Err(match self.shared.give_up(&question) {
                    true => format!("did not answer within {limit} s"),
                    false => format!("was not asked within {limit} s: others do not answer"),
                })
            }
        }
    }
}

impl<Q, A> Drop for Prober<Q, A> {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_all();
    }
}

impl<Q: Clone + Eq + Hash, A> State<Q, A> {
    fn new() -> State<Q, A> {
        State {
            queue: VecDeque::new(),
            pending: HashMap::new(),
            current: None,
            held_since: None,
            started: 0,
            over: 0,
            ended: false,
        }
    }

    fn ticket(&mut self, question: &Q) -> Ticket<Q, A> {
        if let Some(pending) = self.pending.get(question) {
            return match pending.begun {
                Some(since) if pending.given_up => Ticket::Stuck(since),
                _ => Ticket::Wait(question.clone(), pending.answer.subscribe()),
            };
        }
        if self.queue.len() >= MOST_WAITING {
            return Ticket::TurnedAway;
        }
        let (answer, waiting) = watch::channel(None);
        self.pending.insert(question.clone(), Pending { answer, begun: None, given_up: false });
        self.queue.push_back(question.clone());
        Ticket::Wait(question.clone(), waiting)
    }
}

impl<Q, A> Shared<Q, A> {
    fn lock(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Shared<Q, A>
where
    Q: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    /// Starts a thread if there is none, or if it is held while others wait behind it. Tells when to look again.
    fn relieve(self: &Arc<Self>, patience: Duration) -> Duration {
        let mut state = self.lock();
        let held = state.held_since.map_or(Duration::ZERO, |since| since.elapsed());
        if state.queue.is_empty() || (state.current.is_some() && held < patience) {
            return patience.saturating_sub(held).max(SHORTEST);
        }
        if state.started - state.over < MOST_THREADS {
            self.start_thread(&mut state);
        }
        patience
    }

    fn start_thread(self: &Arc<Self>, state: &mut State<Q, A>) {
        state.started += 1;
        let (id, shared) = (state.started, self.clone());
        // It calls nothing deep; thousands of dead mounts should not cost address space.
        let thread = thread::Builder::new().name(shared.name.to_owned()).stack_size(128 << 10);
        match thread.spawn(move || shared.work_as(id)) {
            Ok(_) => (state.current, state.held_since) = (Some(id), None),
            Err(_) => {
                state.over += 1;
                // Too many processes on the machine, say. Dropping the senders tells the askers.
                for question in std::mem::take(&mut state.queue) {
                    state.pending.remove(&question);
                }
            }
        }
    }

    fn work_as(&self, id: u64) {
        let mut state = self.lock();
        while state.current == Some(id) && !state.ended {
            let Some(question) = state.queue.pop_front() else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.held_since = Some(Instant::now());
            if let Some(pending) = state.pending.get_mut(&question) {
                pending.begun = Some(Timestamp::now());
            }
            drop(state);
            let answer = (self.probe)(&question);
            state = self.lock();
            if state.current == Some(id) {
                state.held_since = None;
            }
            if let Some(pending) = state.pending.remove(&question) {
                pending.answer.send_replace(Some(answer));
            }
        }
        state.over += 1;
    }

    /// Nobody waits for it any more, if it was ever asked; which is told.
    fn give_up(&self, question: &Q) -> bool {
        let mut state = self.lock();
        // One that is gone was answered a moment ago.
        let Some(pending) = state.pending.get_mut(question) else { return true };
        pending.given_up = pending.begun.is_some();
        pending.given_up
    }
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests;
