//! Lines about strangers: a few of them each while, then only how many more. A flood of bad connections must not become
//! a flood of lines.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(10);
const LINES: u64 = 5;

/// Counts lines over spans of ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    span: Mutex<Option<(Instant, u64)>>,
}

/// What to do with one more line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Write it; before it, say how many were left out.
    Write { left_out: u64 },
    /// Leave it out.
    LeaveOut,
}

impl Throttle {
    /// Judges a line that is due `now`.
    pub(crate) fn judge(&self, now: Instant) -> Verdict {
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *span {
            Some((began, lines)) if now.duration_since(*began) < SPAN => {
                *lines += 1;
                if *lines <= LINES { Verdict::Write { left_out: 0 } } else { Verdict::LeaveOut }
            }
            over => {
                let left_out = over.map_or(0, |(_, lines)| lines.saturating_sub(LINES));
                *over = Some((now, 1));
                Verdict::Write { left_out }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let written = (0..1000).filter(|_| throttle.judge(now) == Verdict::Write { left_out: 0 }).count();
        assert_eq!(written, 5);
        assert_eq!(throttle.judge(now + SPAN), Verdict::Write { left_out: 995 });
        assert_eq!(throttle.judge(now + SPAN * 3), Verdict::Write { left_out: 0 });
    }
}
