//! The thread that writes the audit log. It gathers records for a moment, so that it is not woken for each of them, and
//! tries again while it cannot write. Without records it sleeps.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::chain::Link;
use tokio::sync::oneshot;

use super::book::Book;
use super::{CROWDED, Entry, Note, Shared, State, What, WhenBroken, record};

/// How long a record may wait for others to be written with it.
const GATHER: Duration = Duration::from_millis(1);

/// How long to wait after a failure, and after many.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// What is written at once.
const CHUNK: u64 = 64 * 1024;

/// Records to be written, and those who wait for it.
struct Batch {
    entries: Vec<Entry>,
    waiting: Vec<oneshot::Sender<u64>>,
    is_last: bool,
}

impl Shared {
    /// Waits until there is something to write, and a moment more for what comes with it.
    fn gather(&self) -> Batch {
        let mut state = self.lock();
        while state.queue.is_empty() && state.waiting.is_empty() && !state.ended {
            state = self.sleep(state);
        }
        let until = Instant::now() + GATHER;
        while state.waiting.is_empty() && !state.ended && state.queue.len() < CROWDED {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        let sum = if state.ended { state.strangers.take_last() } else { None };
        let lost = std::mem::take(&mut state.lost);
        let also = [sum.map(What::Strangers), (lost > 0).then_some(What::Lost(lost))];
        state.queue.extend(also.into_iter().flatten().map(Entry::now));
        Batch {
            entries: std::mem::take(&mut state.queue),
            waiting: std::mem::take(&mut state.waiting),
            is_last: state.ended,
        }
    }

    /// Sleeps until somebody records something, or a sum of strangers is due.
    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.writer_sleeps = true;
        state = match state.strangers.due() {
            Some(due) => self.wait(state, due.saturating_duration_since(Instant::now())),
            None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
        state.writer_sleeps = false;
        if let Some(sum) = state.strangers.take_sum(Instant::now()) {
            state.queue.push(Entry::now(What::Strangers(sum)));
        }
        state
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.work.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits before the next try; whether there is to be one.
    fn pause(&self, length: Duration) -> bool {
        let until = Instant::now() + length;
        let mut state = self.lock();
        while !state.ended && Instant::now() < until {
            state = self.wait(state, until.saturating_duration_since(Instant::now()));
        }
        !state.ended
    }
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    book: Option<Book>,
    /// The last record that this agent wrote.
    known: Option<Link>,
    /// What was found wrong and is not recorded yet.
    remark: Option<String>,
    retry: Duration,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Writer {
        Writer { shared, book: None, known: None, remark: None, retry: RETRY }
    }

    /// Opens the log, so that what is wrong with it is known before anything is asked.
    pub(super) fn prepare(&mut self) {
        if let Err(trouble) = self.open() {
            self.failed(&trouble);
        }
    }

    /// Writes until the agent ends.
    pub(super) fn run(mut self) {
        loop {
            let mut batch = self.shared.gather();
            self.write_all(&mut batch);
            let newest = self.book.as_ref().map(|book| book.last().n);
            for (done, newest) in batch.waiting.into_iter().zip(newest) {
                let _ = done.send(newest);
            }
            if batch.is_last {
                // What was written can be read; only a power cut would ask for more, and there is nobody left to tell.
                let _ = self.book.map(|book| book.sync());
                return;
            }
        }
    }

    /// Writes all of them, however long it takes; only the agent's end lets it give up.
    fn write_all(&mut self, batch: &mut Batch) {
        let mut rest = &batch.entries[..];
        while !rest.is_empty() {
            match self.write(rest) {
                Ok(written) => {
                    let (done, left) = rest.split_at(written);
                    self.written(done);
                    rest = left;
                }
                Err(trouble) => {
                    self.failed(&trouble);
                    batch.waiting.clear();
                    if !self.shared.pause(self.retry) {
                        return tracing::error!(
                            "records that could not be written to the audit log: {}",
                            rest.len()
                        );
                    }
                    self.retry = (self.retry * 2).min(LONGEST_RETRY);
                }
            }
        }
    }

    /// Writes some of them, and says how many.
    fn write(&mut self, entries: &[Entry]) -> Result<usize, String> {
        let book = self.open()?;
        let room = book.room().min(CHUNK);
        let (mut lines, mut words, mut last, mut count) = (Vec::new(), Vec::new(), book.last(), 0);
        for entry in entries {
            if lines.len() as u64 >= room {
                break;
            }
            record::put(&mut words, entry).map_err(|error| error.to_string())?;
            last = last.put_next(&mut lines, &words);
            count += 1;
        }
        book.append(&lines, last)?;
        self.known = Some(last);
        Ok(count)
    }

    fn open(&mut self) -> Result<&mut Book, String> {
        let book = match self.book.take() {
            Some(book) => book,
            None => self.open_file()?,
        };
        Ok(self.book.insert(book))
    }

    fn open_file(&mut self) -> Result<Book, String> {
        let (mut book, remark) = Book::open(&self.shared.recording, &self.shared.folder, self.known)?;
        // What was mended cannot be seen a second time: it is kept until it is recorded.
        self.remark = remark.or(self.remark.take());
        if let Some(why) = &self.remark {
            tracing::warn!("audit log: {why}");
            let note = Note { event: "log_mended", why: Some(why.clone()), ..Note::default() };
            let (mut line, mut words) = (Vec::new(), Vec::new());
            record::put(&mut words, &Entry::now(What::Note(note))).map_err(|error| error.to_string())?;
            let last = book.last().put_next(&mut line, &words);
            book.append(&line, last)?;
            self.remark = None;
        }
        Ok(book)
    }

    fn written(&mut self, entries: &[Entry]) {
        self.retry = RETRY;
        let mut state = self.shared.lock();
        state.held_bytes -= entries.iter().map(Entry::held_bytes).sum::<usize>();
        let mended = state.trouble.take().is_some();
        drop(state);
        if mended {
            tracing::info!("the audit log can be written again");
        }
        for entry in entries {
            if let What::Lost(count) = entry.what {
                tracing::warn!("records that found no room in the audit log and are lost: {count}");
            }
        }
    }

    fn failed(&mut self, trouble: &str) {
        self.book = None;
        let mut state = self.shared.lock();
        // Whoever waits for what cannot be written learns it now.
        state.waiting.clear();
        let known = state.trouble.replace(trouble.to_owned());
        drop(state);
        if known.as_deref() != Some(trouble) {
            let then = match self.shared.recording.when_broken {
                WhenBroken::Continue => "requests are answered all the same",
                WhenBroken::Refuse => "requests are refused until it can",
            };
            tracing::error!("the audit log cannot be written, {then}: {trouble}");
        }
    }
}
