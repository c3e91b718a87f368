//! How far it has come, on a terminal that somebody looks at.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use super::which::Care;
use crate::desk::Desk;
use crate::output::human::{age_of_seconds, grouped};

const OFTEN_ENOUGH: Duration = Duration::from_millis(100);

/// A line that is written over.
pub(super) struct Progress {
    shown: bool,
    all: usize,
    began: Instant,
    /// How long each pause is, and how many are to come.
    pause: Duration,
    pauses: usize,
    /// Time in which nobody is asked says nothing of how fast they answer.
    paused: Duration,
    written: Option<Instant>,
}

impl Progress {
    /// Where answers come to the same terminal, they show how far it is.
    pub(super) fn new(desk: &Desk, all: usize, care: &Care, streams: bool) -> Progress {
        let is_free = !streams || !io::stdout().is_terminal();
        Progress::of(!desk.is_quiet() && io::stderr().is_terminal() && is_free, all, care)
    }

    fn of(shown: bool, all: usize, care: &Care) -> Progress {
        let pauses = all.div_ceil(care.batch_of(all)).saturating_sub(1);
        let (pause, paused) = (care.pause.unwrap_or_default(), Duration::ZERO);
        Progress { shown, all, began: Instant::now(), pause, pauses, paused, written: None }
    }

    /// Shows it, where that is not too soon.
    pub(super) fn show(&mut self, done: usize, failed: usize) {
        // What is over at once needs no line.
        let is_due = self.written.unwrap_or(self.began).elapsed() >= OFTEN_ENOUGH;
        if self.shown && is_due {
            self.write(&self.line(done, failed, self.began.elapsed()));
        }
    }

    /// Says that one of the pauses begins.
    pub(super) fn pause(&mut self, done: usize, failed: usize) {
        if self.shown && !self.pause.is_zero() {
            let line = self.line(done, failed, self.began.elapsed());
            self.write(&format!("{line}, pauses for {:?}", self.pause));
        }
        self.paused += self.pause;
        self.pauses = self.pauses.saturating_sub(1);
    }

    fn write(&mut self, line: &str) {
        // What does not fit would go on in the next line, and stay there.
        let width = tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        let line: String = line.chars().take(if width > 0 { width - 1 } else { usize::MAX }).collect();
        let _ = write!(io::stderr(), "\r\x1b[2K{line}");
        self.written = Some(Instant::now());
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
            let asked = passed.saturating_sub(self.paused).as_secs_f64();
            let rate = done as f64 / asked.max(1e-3);
            (rate, pending as f64 / rate.max(1e-3) + self.pause.as_secs_f64() * self.pauses as f64)
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

    fn progress(all: usize, care: &Care) -> Progress {
        Progress::of(false, all, care)
    }

    #[test]
    fn a_pause_is_time_that_is_left_and_says_nothing_of_how_fast_they_answer() {
        let (batch, pause) = (Some(10), Some(Duration::from_secs(60)));
        let mut progress = progress(100, &Care { batch, pause, ..Care::default() });
        let line = progress.line(10, 0, Duration::from_secs(1));
        assert!(line.ends_with(" 90 pending, 10 hosts/s, 9 min 9 s left"), "{line}");
        progress.pause(10, 0);
        let line = progress.line(20, 0, Duration::from_secs(62));
        assert!(line.ends_with(" 80 pending, 10 hosts/s, 8 min 8 s left"), "{line}");
    }

    #[test]
    fn the_line_says_what_is_left() {
        let progress = progress(10_000, &Care::default());
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
