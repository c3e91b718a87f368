//! `--verbose`: what has passed, and when.

use std::io::{self, Write};
use std::time::Instant;

use crate::output::human::plain;

/// Says each stage as it passes, when asked to.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    since: Option<Instant>,
}

impl Trace {
    /// Begins to count now, if anything is to be said.
    pub fn new(says: bool) -> Trace {
        Trace { since: says.then(Instant::now) }
    }

    /// One stage has passed on the way to this host.
    pub fn say(&self, host: &str, what: impl FnOnce() -> String) {
        if let Some(since) = self.since {
            let _ = writeln!(
                io::stderr(),
                "{:>9.3} ms  {}: {}",
                since.elapsed().as_secs_f64() * 1e3,
                plain(host),
                what()
            );
        }
    }
}
