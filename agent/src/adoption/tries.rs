//! Wrong tries slow their source down, and nobody else. They never void the code: its randomness stops guessing, and a
//! counter would let any passer-by end an adoption.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::admission::Source;

/// What the first wrong try costs the next one; each more doubles it.
const FIRST: Duration = Duration::from_millis(50);

/// Somebody who shares the address with a guesser waits this long at most.
const MOST: Duration = Duration::from_secs(2);

/// A source that was quiet for so long is forgotten.
const MEMORY: Duration = Duration::from_secs(600);

/// More sources than this are not remembered: then all are forgotten, and begin again.
const SOURCES: usize = 4096;

/// Wrong tries since the agent began to wait.
#[derive(Debug, Default)]
pub(super) struct Tries {
    total: u64,
    of: HashMap<Source, (u32, Instant)>,
}

impl Tries {
    /// How long a try of this source has to wait.
    pub(super) fn delay(&mut self, source: IpAddr, now: Instant) -> Duration {
        match self.of.get(&source.into()) {
            Some((wrong, last)) if now.duration_since(*last) < MEMORY => {
                FIRST.saturating_mul(1 << (wrong - 1).min(16)).min(MOST)
            }
            _ => Duration::ZERO,
        }
    }

    /// Counts a wrong one, and says how many there were in all.
    pub(super) fn count(&mut self, source: IpAddr, now: Instant) -> u64 {
        if self.of.len() >= SOURCES {
            self.of.clear();
        }
        let (wrong, last) = self.of.entry(source.into()).or_insert((0, now));
        if now.duration_since(*last) >= MEMORY {
            *wrong = 0;
        }
        *wrong = wrong.saturating_add(1);
        *last = now;
        self.total += 1;
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_slowed_down_to_a_bound_and_others_are_not() {
        let mut tries = Tries::default();
        let (guesser, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Instant::now();
        assert_eq!(tries.delay(guesser, now), Duration::ZERO);
        let delays: Vec<_> = (0..40)
            .map(|_| {
                tries.count(guesser, now);
                tries.delay(guesser, now)
            })
            .collect();
        assert_eq!(delays[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert!(delays.is_sorted());
        assert_eq!(delays.last(), Some(&MOST));
        assert_eq!(tries.delay(other, now), Duration::ZERO);
        assert_eq!(tries.delay(guesser, now + MEMORY), Duration::ZERO);
        assert_eq!(tries.count(other, now), 41);
    }

    #[test]
    fn only_so_many_sources_are_remembered() {
        let mut tries = Tries::default();
        for number in 0..20_000_u32 {
            tries.count(IpAddr::V4(number.into()), Instant::now());
        }
        assert!(tries.of.len() <= SOURCES);
    }
}
