//! The thread that writes the audit log. It gathers records for a moment, so that it is not woken for each of them, and
//! tries again while it cannot write. Without records it sleeps.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use protocol::chain::Link;
use tokio::sync::oneshot;

use super::book::Book;
use super::record::Calendar;
use super::{ENOUGH, Note, Shared, State, WhenBroken};

/// How long a record may wait for others to be written with it.
const GATHER: Duration = Duration::from_millis(10);

/// How long to wait after a failure, and after many.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// What is written at once.
const CHUNK: u64 = 64 * 1024;

/// Records to be written, and those who wait for it.
struct Batch {
    /// A line each.
    words: String,
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
        while state.waiting.is_empty() && !state.ended && state.queue.len() < ENOUGH {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        if state.ended
            && let Some(sum) = state.strangers.take_last()
        {
            state.note(&sum.note());
        }
        let mut batch = Batch {
            words: std::mem::take(&mut state.queue),
            waiting: std::mem::take(&mut state.waiting),
            is_last: state.ended,
        };
        let lost = std::mem::take(&mut state.lost);
        if lost > 0 {
            state.note(&Note::lost(lost));
            batch.words += &std::mem::take(&mut state.queue);
        }
        drop(state);
        if lost > 0 {
            tracing::warn!("records that found no room in the audit log and are lost: {lost}");
        }
        batch
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
            state.note(&sum.note());
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

    /// Writes all of it, however long it takes; only the agent's end lets it give up.
    fn write_all(&mut self, batch: &mut Batch) {
        let mut rest = &batch.words[..];
        while !rest.is_empty() {
            match self.write(rest) {
                Ok(left) => {
                    rest = left;
                    self.written();
                }
                Err(trouble) => {
                    self.failed(&trouble);
                    batch.waiting.clear();
                    if !self.shared.pause(self.retry) {
                        let count = rest.lines().count();
                        return tracing::error!(
                            "records that could not be written to the audit log: {count}"
                        );
                    }
                    self.retry = (self.retry * 2).min(LONGEST_RETRY);
                }
            }
        }
    }

    /// Writes the records with these words, or the first of them, and returns the words that are left.
    fn write<'a>(&mut self, words: &'a str) -> Result<&'a str, String> {
        let book = self.open()?;
        let room = book.room().min(CHUNK);
        let (mut lines, mut last, mut left) = (Vec::new(), book.last(), words);
        while let Some((words, others)) = left.split_once('\n')
            && (lines.len() as u64) < room
        {
            last = last.put_next(&mut lines, words.as_bytes());
            left = others;
        }
        book.append(&lines, last)?;
        self.known = Some(last);
        Ok(left)
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
            let (mut words, mut line) = (String::new(), Vec::new());
            Calendar::default().put(&mut words, Timestamp::now());
            note.put(&mut words);
            let last = book.last().put_next(&mut line, words.as_bytes());
            book.append(&line, last)?;
            self.remark = None;
        }
        Ok(book)
    }

    fn written(&mut self) {
        self.retry = RETRY;
        let mended = self.shared.lock().trouble.take().is_some();
        if mended {
            tracing::info!("the audit log can be written again");
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
