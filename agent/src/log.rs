//! The log: lines go to standard error by a thread of their own. Whoever reads them may be slow, stuck or gone, and the
//! agent must answer all the same: lines that find no room are dropped and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

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
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(line.to_vec()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
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
