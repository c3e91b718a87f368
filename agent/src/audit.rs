//! What happened here, a line each, so that it can be shown later. Whoever records only appends words to a queue: a thread of
//! its own chains and writes them. When it cannot, the owner has decided what becomes of requests, and everybody is told.

mod book;
mod folder;
mod record;
mod strangers;
#[cfg(test)]
mod tests;
mod verify;
mod witness;
mod writer;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use protocol::Refusal;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub(crate) use folder::Reading;
pub(crate) use record::Note;
pub use verify::{Broken, Whole, verify};
pub(crate) use witness::{Asked, Started, Witness};

use record::Calendar;
use strangers::Strangers;
use writer::Writer;

/// For the words that wait to be written: those of some tenths of a second of a busy agent.
const ROOM: usize = 4 << 20;

/// With so much, the writer waits for no more: whoever is answered meanwhile must not wait long for the processor.
const ENOUGH: usize = 32 << 10;

/// From here on, where nothing may go unrecorded, requests are refused, so that the rest of the room is for those in flight.
const CROWDED: usize = ROOM / 2;

/// How long the last records may take when the agent ends.
const LAST_RECORDS: Duration = Duration::from_secs(1);

/// Where the audit log is in an agent's state folder.
pub(crate) fn folder_in(state: &Path) -> PathBuf {
    state.join("audit")
}

/// Where records go, and what happens when they cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The folder; without one, nothing is recorded.
    pub folder: Option<PathBuf>,
    /// From this size on, a file is put aside and a new one begun.
    pub rotate_bytes: u64,
    /// So many files that were put aside are kept.
    pub keep: usize,
    /// What becomes of requests while nothing can be recorded.
    pub when_broken: WhenBroken,
}

/// What becomes of requests while nothing can be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBroken {
    /// They are answered, and counted as lost to the log.
    Continue,
    /// They are refused.
    Refuse,
}

impl Default for Recording {
    fn default() -> Recording {
        Recording { folder: None, rotate_bytes: 10 << 20, keep: 10, when_broken: WhenBroken::Continue }
    }
}

/// The audit log of a running agent; a copy for each that records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Audit {
    /// Nothing where nothing is recorded.
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    recording: Recording,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The words of records that are to be written, a line each.
    queue: String,
    calendar: Calendar,
    /// Records that found no room, and were not told of yet.
    lost: u64,
    strangers: Strangers,
    /// Those who wait until all that is in the queue is written; they are told the newest record.
    waiting: Vec<oneshot::Sender<u64>>,
    /// Why nothing can be written.
    trouble: Option<String>,
    writer_sleeps: bool,
    ended: bool,
}

impl State {
    /// Appends a line to the queue, if there is room.
    fn add(&mut self, at: Timestamp, put: impl FnOnce(&mut String)) {
        if self.queue.len() >= ROOM {
            self.lost += 1;
            return;
        }
        self.calendar.put(&mut self.queue, at);
        put(&mut self.queue);
        self.queue.push('\n');
    }

    fn note(&mut self, note: &Note) {
        self.add(Timestamp::now(), |out| note.put(out));
    }
}

impl Audit {
    /// Opens the log and starts the thread that writes, if anything is to be recorded.
    pub(crate) fn start(recording: Recording) -> Audit {
        let Some(folder) = recording.folder.clone() else { return Audit::default() };
        let shared = Arc::new(Shared { folder, recording, state: Mutex::default(), work: Condvar::new() });
        let mut writer = Writer::new(Arc::clone(&shared));
        writer.prepare();
        if let Err(error) = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run()) {
            shared.lock().trouble = Some(format!("the system has no room for a thread: {error}"));
        }
        Audit { shared: Some(shared) }
    }

    /// Records an event that is no request.
    pub(crate) fn note(&self, note: &Note) {
        self.record(Timestamp::now(), |out| note.put(out));
    }

    /// Records a connection that was refused before or after its handshake, or counts it when there are too many.
    pub(crate) fn stranger(&self, from: SocketAddr, why: &str) {
        let Some(shared) = &self.shared else { return };
        let seen = shared.lock().strangers.saw(from.ip(), Instant::now());
        match seen {
            strangers::Seen::Tell(sum) => {
                if let Some(sum) = sum {
                    self.note(&sum.note());
                }
                let why = Some(why.to_owned());
                self.note(&Note { event: "connection_refused", address: Some(from), why, ..Note::default() });
            }
            // The writer must know when to tell how many.
            strangers::Seen::CountFirst => shared.wake(shared.lock()),
            strangers::Seen::Count => {}
        }
    }

    /// The owner's answer to whether something may be answered now.
    ///
    /// # Errors
    /// It cannot be recorded, and the owner wants it refused then.
    pub(crate) fn gate(&self) -> Result<(), Refusal> {
        match &self.shared {
            Some(shared) if shared.recording.when_broken == WhenBroken::Refuse => {
                let state = shared.lock();
                match &state.trouble {
                    Some(trouble) => Err(Refusal::not_recorded(trouble)),
                    None if state.queue.len() >= CROWDED => Err(Refusal::not_recorded(TOO_SLOW)),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Why the log is not whole or cannot be written, for `info`.
    pub(crate) fn problem(&self) -> Option<String> {
        let state = self.shared.as_ref()?.lock();
        match (&state.trouble, state.lost) {
            (None, 0) => None,
            (None, lost) => Some(format!("{TOO_SLOW}; records lost: {lost}")),
            (Some(trouble), 0) => Some(trouble.clone()),
            (Some(trouble), lost) => Some(format!("{trouble}; records lost so far: {lost}")),
        }
    }

    /// Waits until all that was recorded is written, and lets it be read.
    ///
    /// # Errors
    /// Nothing is recorded, or it cannot be written.
    pub(crate) async fn reading(&self) -> Result<Reading, String> {
        let shared = self.shared.as_ref().ok_or("this agent keeps no audit log")?;
        let newest = shared.written().await?;
        Ok(Reading::new(shared.folder.clone(), newest))
    }

    /// Lets the last records be written, and waits for them a moment.
    pub(crate) async fn finish(&self) {
        let Some(shared) = &self.shared else { return };
        let (done, written) = oneshot::channel();
        shared.end(Some(done));
        let _ = timeout(LAST_RECORDS, written).await;
    }

    /// Ends the thread that writes, once it has written what is there.
    pub(crate) fn end(&self) {
        if let Some(shared) = &self.shared {
            shared.end(None);
        }
    }

    fn record(&self, at: Timestamp, put: impl FnOnce(&mut String)) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.lock();
        let were_enough = state.queue.len() >= ENOUGH;
        state.add(at, put);
        if state.writer_sleeps || (state.queue.len() >= ENOUGH && !were_enough) {
            shared.wake(state);
        }
    }
}

/// Why records find no room when nothing else is wrong.
const TOO_SLOW: &str = "the disk takes records more slowly than they come";

/// Why nothing can be read any more.
const STOPPING: &str = "the agent is about to stop";

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        state.writer_sleeps = false;
        drop(state);
        self.work.notify_one();
    }

    /// No more will be recorded; whoever waits is told when the last is written.
    fn end(&self, waiting: Option<oneshot::Sender<u64>>) {
        let mut state = self.lock();
        state.waiting.extend(waiting);
        state.ended = true;
        self.wake(state);
    }

    /// Waits until all that is in the queue is written, and says the newest record.
    async fn written(&self) -> Result<u64, String> {
        let gone = || self.lock().trouble.clone().unwrap_or_else(|| STOPPING.to_owned());
        self.ask_to_be_told()?.await.map_err(|_| gone())
    }

    fn ask_to_be_told(&self) -> Result<oneshot::Receiver<u64>, String> {
        let (done, written) = oneshot::channel();
        let mut state = self.lock();
        if let Some(trouble) = &state.trouble {
            return Err(trouble.clone());
        }
        if state.ended {
            return Err(STOPPING.to_owned());
        }
        state.waiting.push(done);
        self.wake(state);
        Ok(written)
    }
}
