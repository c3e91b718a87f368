//! The log: lines go to standard error by a thread of their own. Whoever reads them may be slow, stuck or gone, and the
//! agent must answer all the same: lines that find no room are dropped and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::fs::fstat;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Some seconds of a busy agent's lines, and a few hundred KiB at most.
const ROOM: usize = 2048;

/// How long the last lines may take when the agent ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Takes lines; a copy for each that writes.
#[derive(Debug, Clone)]
pub struct Lines {
    queue: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

/// Waits for the last lines when the agent ends.
#[derive(Debug)]
pub struct Written {
    done: Receiver<()>,
}

/// Starts the thread that writes to `out`.
///
/// # Errors
/// The system has no room for a thread.
pub fn start(out: impl Write + Send + 'static) -> io::Result<(Lines, Written)> {
    let (queue, lines) = sync_channel(ROOM);
    let (finished, done) = sync_channel(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dropped);
    thread::Builder::new().name("log".to_owned()).spawn(move || {
        write(out, &lines, &counted);
        let _ = finished.send(());
    })?;
    Ok((Lines { queue, dropped }, Written { done }))
}

/// An empty line is the last.
fn write(mut out: impl Write, lines: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    // What cannot be written is lost; there is nowhere left to complain.
    while let Ok(line) = lines.recv() {
        if line.is_empty() {
            return;
        }
        let _ = out.write_all(&line);
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "the log was too slow: {lost} lines were dropped here");
        }
    }
}

impl Lines {
    /// No more lines will come.
    pub fn end(&self) {
        let _ = self.queue.try_send(Vec::new());
    }

    fn take(&self, line: Vec<u8>) {
        if self.queue.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether standard error goes to systemd's journal, which notes time and urgency itself.
pub fn is_journal() -> bool {
    let told = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let own = fstat(io::stderr()).map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino));
    own.is_ok_and(|own| own == told)
}

/// Writes lines as the journal wants them: it reads how urgent a line is from a number before it.
#[derive(Debug, Clone)]
pub struct ForJournal(pub Lines);

/// A line on its way, and its number.
#[derive(Debug)]
pub struct Urgent<'a>(&'a Lines, u8);

impl<'a> MakeWriter<'a> for ForJournal {
    type Writer = Urgent<'a>;

    fn make_writer(&'a self) -> Urgent<'a> {
        Urgent(&self.0, b'6')
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> Urgent<'a> {
        let urgency = match *line.level() {
            Level::ERROR => b'3',
            Level::WARN => b'4',
            Level::INFO => b'6',
            Level::DEBUG | Level::TRACE => b'7',
        };
        Urgent(&self.0, urgency)
    }
}

impl Write for Urgent<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.take([b"<", &[self.1][..], b">", line].concat());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// Waits a moment for what is still to be written.
    pub fn wait(&self) {
        let _ = self.done.recv_timeout(LAST_LINES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_reads_how_urgent_a_line_is() {
        let (reader, writer) = io::pipe().unwrap();
        let (lines, written) = start(writer).unwrap();
        let journal = ForJournal(lines.clone());
        let subscriber = tracing_subscriber::fmt().with_writer(journal).without_time().with_level(false);
        tracing::subscriber::with_default(subscriber.with_target(false).with_ansi(false).finish(), || {
            tracing::error!("bad");
            tracing::info!("good");
        });
        lines.end();
        written.wait();
        assert_eq!(io::read_to_string(reader).unwrap(), "<3>bad\n<6>good\n");
    }

    #[test]
    fn lines_without_room_are_dropped_and_counted() {
        let (reader, writer) = io::pipe().unwrap();
        let (mut lines, written) = start(writer).unwrap();
        let line = [b'x'; 1024];
        // Nobody reads: a pipe's buffer and the queue fill, and every further line must be taken at once all the same.
        for _ in 0..3 * ROOM {
            lines.write_all(&line).unwrap();
        }
        let read = thread::spawn(move || io::read_to_string(reader).unwrap());
        while lines.dropped.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        while lines.queue.try_send(Vec::new()).is_err() {
            thread::yield_now();
        }
        written.wait();
        assert!(read.join().unwrap().contains(" lines were dropped here\n"));
    }
}
