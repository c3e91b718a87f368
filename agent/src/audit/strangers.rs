//! Refused connections: the first of a source is told, the rest of a minute is summed up. Whoever floods the agent must not
//! fill its disk.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Note;
use crate::admission::Source;

const SPAN: Duration = Duration::from_secs(60);

/// So many sources of a span are told one by one.
const TOLD: usize = 16;

/// So many are told apart.
const KNOWN: usize = 1024;

/// Counts over spans of a minute. A span begins with somebody who is refused, so without any there is nothing to do.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    span: Option<Span>,
}

#[derive(Debug)]
struct Span {
    began: Instant,
    since: Timestamp,
    sources: HashSet<Source>,
    counted: u64,
}

/// Connections that were refused and not told one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    /// Of how many sources all refused ones of that time were; a thousand means that or more.
    pub(super) sources: usize,
    pub(super) since: Timestamp,
}

impl Sum {
    pub(super) fn note(&self) -> Note {
        let (count, sources, since) = (Some(self.count), Some(self.sources), Some(self.since));
        Note { event: "connections_refused", count, sources, since, ..Note::default() }
    }
}

/// What to do about one more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Tell it; before it, the sum of the span that is over.
    Tell(Option<Sum>),
    /// It is counted, and is the first of its span: somebody must tell the sum when the span is over.
    CountFirst,
    /// It is counted.
    Count,
}

impl Strangers {
    /// Takes one more.
    pub(super) fn saw(&mut self, from: IpAddr, now: Instant) -> Seen {
        let over = self.take_sum(now);
        let span = self.span.get_or_insert_with(|| Span {
            began: now,
            since: Timestamp::now(),
            sources: HashSet::new(),
            counted: 0,
        });
        let is_new = span.sources.len() < KNOWN && span.sources.insert(from.into());
        if is_new && span.sources.len() <= TOLD {
            return Seen::Tell(over);
        }
        span.counted += 1;
        if span.counted == 1 { Seen::CountFirst } else { Seen::Count }
    }

    /// When there is something to tell.
    pub(super) fn due(&self) -> Option<Instant> {
        self.span.as_ref().filter(|span| span.counted > 0).map(|span| span.began + SPAN)
    }

    /// The sum of a span that is over.
    pub(super) fn take_sum(&mut self, now: Instant) -> Option<Sum> {
        let span = self.span.take_if(|span| now.duration_since(span.began) >= SPAN)?;
        span.sum()
    }

    /// The sum of a span that may not be over.
    pub(super) fn take_last(&mut self) -> Option<Sum> {
        self.span.take()?.sum()
    }
}

impl Span {
    fn sum(self) -> Option<Sum> {
        let sum = Sum { count: self.counted, sources: self.sources.len(), since: self.since };
        (sum.count > 0).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_flood_of_any_size_is_a_few_lines() {
        let (mut strangers, now) = (Strangers::default(), Instant::now());
        let from = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(number));
        let mut told = 0;
        for number in 0..100_000 {
            if let Seen::Tell(None) = strangers.saw(from(number % 50_000), now) {
                told += 1;
            }
        }
        assert_eq!(told, TOLD);
        assert_eq!(strangers.due(), Some(now + SPAN));
        assert_eq!(strangers.take_sum(now), None);
        let sum = strangers.take_sum(now + SPAN).unwrap();
        assert_eq!((sum.count, sum.sources), (100_000 - TOLD as u64, KNOWN));
        assert_eq!((strangers.due(), strangers.take_last()), (None, None));
    }

    #[test]
    fn a_new_span_tells_the_sum_of_the_old_first() {
        let (mut strangers, now) = (Strangers::default(), Instant::now());
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(strangers.saw(from, now), Seen::Tell(None));
        assert_eq!(strangers.due(), None);
        assert_eq!(strangers.saw(from, now), Seen::CountFirst);
        assert_eq!(strangers.saw(from, now), Seen::Count);
        let Seen::Tell(Some(sum)) = strangers.saw(from, now + SPAN) else { panic!("nothing was told") };
        assert_eq!((sum.count, sum.sources), (2, 1));
    }
}
