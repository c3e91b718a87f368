//! `controller time`: a machine's clock beside this one, with an honest bound for the error.

use std::time::Instant;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use protocol::requests::time::{self, Clock};
use serde::Serialize;

use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::human::{at_offset, milliseconds, plain};
use crate::output::{Cell, Column, Show};

/// A machine's clock, compared with this one.
#[derive(Debug, Args)]
pub struct Time {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// How many exchanges to measure with.
    #[arg(long, short = 'n', default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub exchanges: u32,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

/// The clock, and how it differs from this machine's.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    #[serde(flatten)]
    pub(crate) clock: Clock,
    /// The agent's clock minus this machine's; absent when a clock was set in between.
    pub(crate) offset: Option<OffsetFound>,
    pub(crate) round_trip_seconds: f64,
    exchanges: u32,
}

/// The offset is within the error of the middle, whatever the network did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct OffsetFound {
    pub(crate) seconds: f64,
    pub(crate) error_seconds: f64,
}

impl Time {
    /// Measures and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        fleet.ask(&self.hosts, async |client| Ok(compare(client, self.exchanges).await?)).await
    }
}

/// Compares the agent's clock with this one, in one exchange or more.
pub(crate) async fn compare(client: &mut Client, exchanges: u32) -> Result<Compared, Failure> {
    let began = Instant::now();
    let (mut clock, first) = exchange(client).await?;
    let (mut best, mut round_trip) = (first.bounds(&clock), first.round_trip());
    let mut done = 1;
    // One that is slow each time is not waited for each time.
    while done < exchanges && began.elapsed() < client.timeout() {
        done += 1;
        let (answer, exchange) = exchange(client).await?;
        round_trip = round_trip.min(exchange.round_trip());
        best = best.and(&exchange.bounds(&answer));
        clock = answer;
    }
    let (offset, round_trip_seconds) = (best.middle(), round_trip.as_secs_f64());
    Ok(Compared { clock, offset, round_trip_seconds, exchanges: done })
}

/// This machine's two of the four timestamps, as durations since the epoch.
struct Exchange {
    sent: SignedDuration,
    returned: SignedDuration,
}

async fn exchange(client: &mut Client) -> Result<(Clock, Exchange), Failure> {
    let begun = Begun::now();
    let clock = client.ask(time::Time {}).await?;
    Ok((clock, begun.exchange()))
}

/// An exchange whose answer is not there yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    sent: SignedDuration,
    at: Instant,
}

impl Begun {
    /// The request leaves now.
    pub(crate) fn now() -> Begun {
        Begun { sent: Timestamp::now().as_duration(), at: Instant::now() }
    }

    /// What one answer tells.
    pub(crate) fn answered(self, clock: Clock) -> Compared {
        let exchange = self.exchange();
        let offset = exchange.bounds(&clock).middle();
        Compared { clock, offset, round_trip_seconds: exchange.round_trip().as_secs_f64(), exchanges: 1 }
    }

    fn exchange(self) -> Exchange {
        // The wall clock may be set meanwhile; the time that passed is measured by one that is never set.
        let passed = SignedDuration::try_from(self.at.elapsed()).unwrap_or(SignedDuration::MAX);
        Exchange { sent: self.sent, returned: self.sent.saturating_add(passed) }
    }
}

impl Exchange {
    fn round_trip(&self) -> SignedDuration {
        self.returned - self.sent
    }

    /// The agent received after we sent, and sent before we received: that is all that is certain, and it is enough.
    fn bounds(&self, clock: &Clock) -> Bounds {
        Bounds {
            at_least: clock.sent.as_duration().saturating_sub(self.returned),
            at_most: clock.received.as_duration().saturating_sub(self.sent),
        }
    }
}

/// What the offset can be.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    at_least: SignedDuration,
    at_most: SignedDuration,
}

impl Bounds {
    /// Each exchange is right, so the offset is in what all of them allow.
    fn and(&self, other: &Bounds) -> Bounds {
        Bounds { at_least: self.at_least.max(other.at_least), at_most: self.at_most.min(other.at_most) }
    }

    fn middle(&self) -> Option<OffsetFound> {
        let (low, high) = (self.at_least.as_secs_f64(), self.at_most.as_secs_f64());
        (low <= high)
            .then_some(OffsetFound { seconds: (low + high) / 2.0, error_seconds: (high - low) / 2.0 })
    }
}

impl Show for Compared {
    const SCHEMA: &'static str = "rollcall.time/1";

    fn table(&self, host: &str) -> String {
        let clock = &self.clock;
        let there = at_offset(clock.sent, clock.utc_offset_seconds, "%Y-%m-%dT%H:%M:%S.%3f%:z");
        let zone = clock.zone.as_deref().map(|zone| format!(" ({})", plain(zone))).unwrap_or_default();
        let kernel = match (clock.synchronised, clock.max_error_seconds) {
            (Some(true), Some(error)) => format!("synchronised, within {}", milliseconds(error)),
            (Some(true), None) => "synchronised".to_owned(),
            (Some(false), _) => "not synchronised, says its kernel".to_owned(),
            (None, _) => "its kernel does not say whether it is synchronised".to_owned(),
        };
        let compared = match self.offset {
            Some(OffsetFound { seconds, error_seconds }) => {
                let sign = if seconds < 0.0 { "" } else { "+" };
                format!("{sign}{} +-{} from this clock", milliseconds(seconds), milliseconds(error_seconds))
            }
            None => "a clock was set while it was measured; measure again".to_owned(),
        };
        format!("{}  {there}{zone}  {compared}; {kernel}\n", plain(host))
    }

    fn columns() -> Vec<Column<Compared>> {
        vec![
            Column::usual("time", "sent", |it| {
                let there = at_offset(it.clock.sent, it.clock.utc_offset_seconds, "%Y-%m-%dT%H:%M:%S.%3f%:z");
                Cell::told(it.clock.sent.to_string(), there)
            }),
            Column::usual("offset", "offset_seconds", |it| span(it.offset.map(|offset| offset.seconds))),
            Column::usual("error", "error_seconds", |it| span(it.offset.map(|offset| offset.error_seconds))),
            Column::usual("synchronised", "synchronised", |it| match it.clock.synchronised {
                Some(is) => Cell::told(is, if is { "yes" } else { "no" }),
                None => Cell::none(),
            }),
            Column::other("kernel's error", "max_error_seconds", |it| span(it.clock.max_error_seconds)),
            Column::other("round trip", "round_trip_seconds", |it| span(Some(it.round_trip_seconds))),
            Column::other("zone", "zone", |it| it.clock.zone.as_deref().map_or_else(Cell::none, Cell::text)),
        ]
    }
}

fn span(seconds: Option<f64>) -> Cell {
    seconds.map_or_else(Cell::none, |seconds| Cell::told(seconds, milliseconds(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: f64) -> SignedDuration {
        SignedDuration::from_secs_f64(seconds)
    }

    fn clock(received: f64, sent: f64) -> Clock {
        let at = |time: f64| Timestamp::UNIX_EPOCH + seconds(time);
        Clock {
            received: at(received),
            sent: at(sent),
            zone: None,
            utc_offset_seconds: 0,
            synchronised: None,
            max_error_seconds: None,
        }
    }

    proptest! {
        #[test]
        fn the_true_offset_is_always_within_the_bound(
            offset in -1e6f64..1e6,
            ways in prop::collection::vec((0.0f64..2.0, 0.0f64..0.1, 0.0f64..2.0), 1..10),
        ) {
            let mut bounds = Bounds { at_least: SignedDuration::MIN, at_most: SignedDuration::MAX };
            let mut now = 1e9;
            for (there, thinking, back) in ways {
                let received = now + there + offset;
                let exchange = Exchange { sent: seconds(now), returned: seconds(now + there + thinking + back) };
                bounds = bounds.and(&exchange.bounds(&clock(received, received + thinking)));
                now += 5.0;
            }
            let found = bounds.middle().unwrap();
            prop_assert!((found.seconds - offset).abs() <= found.error_seconds + 1e-5, "{found:?} for {offset}");
        }
    }

    #[test]
    fn a_clock_that_was_set_in_between_is_told_and_not_averaged() {
        let exchange = |at: f64| Exchange { sent: seconds(at), returned: seconds(at + 0.01) };
        let before = exchange(10.0).bounds(&clock(10.005, 10.005));
        let after = exchange(11.0).bounds(&clock(71.005, 71.005));
        assert_eq!(before.and(&after).middle(), None);
    }
}
