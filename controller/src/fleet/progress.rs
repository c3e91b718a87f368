//! How far it has come, on a terminal that somebody looks at.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::desk::Desk;
use crate::output::human::{age_of_seconds, grouped};

const OFTEN_ENOUGH: Duration = Duration::from_millis(100);

/// A line that is written over.
pub(super) struct Progress {
    shown: bool,
    all: usize,
    began: Instant,
    written: Option<Instant>,
}

impl Progress {
    /// Where answers come to the same terminal, they show how far it is.
    pub(super) fn new(desk: &Desk, all: usize, streams: bool) -> Progress {
        let is_free = !streams || !io::stdout().is_terminal();
        let shown = !desk.is_quiet() && io::stderr().is_terminal() && is_free;
        Progress { shown, all, began: Instant::now(), written: None }
    }

    /// Shows it, where that is not too soon.
    pub(super) fn show(&mut self, done: usize, failed: usize) {
        let is_due = self.written.is_none_or(|written| written.elapsed() >= OFTEN_ENOUGH);
        if self.shown && is_due {
            let _ = write!(io::stderr(), "\r\x1b[2K{}", self.line(done, failed, self.began.elapsed()));
            self.written = Some(Instant::now());
        }
    }

    /// Makes room for something else.
    pub(super) fn clear(&mut self) {
        if self.shown && self.written.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }

    fn line(&self, done: usize, failed: usize, passed: Duration) -> String {
        const WIDTH: usize = 20;
        let full = WIDTH * done / self.all.max(1);
        let bar = "#".repeat(full) + &".".repeat(WIDTH - full);
        let pending = self.all - done;
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 machines")]
        let (rate, left) = {
            let rate = done as f64 / passed.as_secs_f64().max(1e-3);
            (rate, pending as f64 / rate.max(1e-3))
        };
        let left = match left.ceil() {
            _ if done == 0 => String::new(),
            seconds if seconds < 60.0 => format!(", {seconds:.0} s left"),
            seconds => format!(", {} left", age_of_seconds(seconds)),
        };
        let (done, failed, pending) = (grouped(done), grouped(failed), grouped(pending));
        format!("[{bar}] {done} done, {failed} failed, {pending} pending, {rate:.0} hosts/s{left}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_left() {
        let progress = Progress { shown: true, all: 10_000, began: Instant::now(), written: None };
        let line = progress.line(2500, 3, Duration::from_secs(5));
        assert_eq!(
            line,
            "[#####...............] 2,500 done, 3 failed, 7,500 pending, 500 hosts/s, 15 s left"
        );
        assert_eq!(
            progress.line(0, 0, Duration::ZERO),
            "[....................] 0 done, 0 failed, 10,000 pending, 0 hosts/s"
        );
    }
}
