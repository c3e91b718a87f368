//! `controller ping`: repeated echoes over one connection, like the command people know.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use protocol::requests::echo::{Echo, MAX_PAYLOAD};
use serde::Serialize;
use tokio::signal::ctrl_c;
use tokio::time::sleep_until;

use crate::caller::Caller;
use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::human::{milliseconds, plain};
use crate::output::{Cell, Column, Show};
use crate::span::parse_duration;

/// Measure the way to a machine and back.
#[derive(Debug, Args)]
pub struct Ping {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// How many echoes; without it, until Ctrl-C, and 3 where many hosts are asked.
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Time between two echoes.
    #[arg(long, short, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub interval: Duration,
    /// Bytes in each.
    #[arg(long, short, default_value_t = 56, value_parser = parse_size)]
    pub size: usize,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

/// How many echoes, where many are asked and nobody says.
const COUNT_OF_MANY: u64 = 3;

fn parse_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| *size <= MAX_PAYLOAD);
    size.ok_or_else(|| format!("a size is a number of bytes up to {MAX_PAYLOAD}"))
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
struct Summary {
    sent: u64,
    received: u64,
    lost: u64,
    bytes: usize,
    #[serde(flatten)]
    times: Option<Times>,
    /// What cut it short.
    #[serde(skip)]
    failure: Option<Failure>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Times {
    min_seconds: f64,
    avg_seconds: f64,
    max_seconds: f64,
    p99_seconds: f64,
}

/// What has happened so far; it counts also when an interrupt ends the rest.
#[derive(Default)]
struct Tally {
    sent: u64,
    taken: Vec<Duration>,
}

impl Ping {
    /// Measures until the count, a failure or Ctrl-C ends it, and sums up in any case.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let caller = Caller::at(desk)?;
        let chosen = self.which.choose(&self.hosts, desk, &caller.inventory)?;
        if chosen.is_one && desk.suits_one() {
            return self.one(desk, caller.meet(&chosen.labels[0]).await?).await;
        }
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        let asks = async |client: &mut Client| {
            let mut tally = Tally::default();
            let count = self.count.unwrap_or(COUNT_OF_MANY);
            let failure = self.exchange(client, Some(count), &mut tally, &|_, _| Ok(())).await?;
            Ok(self.sum_up(&tally, failure))
        };
        fleet.ask(&self.hosts, asks).await
    }

    /// Says each echo as it comes back.
    async fn one(&self, desk: &Desk, mut client: Client) -> Result<Exit, Trouble> {
        let host = client.greeted().host.label.clone();
        let says_each = desk.is_text() && !desk.is_quiet();
        if says_each {
            let (name, at) = (plain(&host), client.greeted().reached);
            desk.print(&format!("PING {name} ({at}) over TLS: {} bytes of data\n", self.size))?;
        }
        let say = |sequence: u64, taken: Duration| match says_each {
            true => {
                let (host, time) = (plain(&host), milliseconds(taken.as_secs_f64()));
                desk.print(&format!("{} bytes from {host}: seq={sequence} time={time}\n", self.size))
            }
            false => Ok(()),
        };
        let mut tally = Tally::default();
        let revoked = client.revoked();
        let failure = tokio::select! {
            failure = self.exchange(&mut client, self.count, &mut tally, &say) => failure?,
            failure = revoked => Some(failure),
            _ = ctrl_c() => None,
        };
        desk.show(&host, &self.sum_up(&tally, failure))
    }

    fn sum_up(&self, tally: &Tally, failure: Option<Failure>) -> Summary {
        let (sent, received) = (tally.sent, tally.taken.len() as u64);
        let times = Times::of(&tally.taken);
        Summary { sent, received, lost: sent - received, bytes: self.size, times, failure }
    }

    async fn exchange(
        &self,
        client: &mut Client,
        count: Option<u64>,
        tally: &mut Tally,
        say: &impl Fn(u64, Duration) -> Result<(), Trouble>,
    ) -> Result<Option<Failure>, Trouble> {
        let payload: Bytes = (0..=u8::MAX).cycle().take(self.size).collect();
        let began = tokio::time::Instant::now();
        while count.is_none_or(|count| tally.sent < count) {
            let due = self.interval.saturating_mul(u32::try_from(tally.sent).unwrap_or(u32::MAX));
            sleep_until(began + due).await;
            tally.sent += 1;
            let sent = Instant::now();
            let echoed = match client.ask(Echo { payload: payload.clone() }).await {
                Ok(echoed) => echoed.payload,
                Err(failure) => return Ok(Some(failure)),
            };
            let taken = sent.elapsed();
            if echoed != payload {
                let host = &client.greeted().host.label;
                return Ok(Some(Failure::changed_echo(host, self.size, echoed.len())));
            }
            tally.taken.push(taken);
            say(tally.sent, taken)?;
        }
        Ok(None)
    }
}

impl Times {
    fn of(taken: &[Duration]) -> Option<Times> {
        let mut sorted = taken.to_vec();
        sorted.sort_unstable();
        let seconds = |duration: Option<&Duration>| duration.map(Duration::as_secs_f64);
        #[expect(clippy::cast_precision_loss, reason = "nobody waits for 2^52 echoes")]
        let count = sorted.len() as f64;
        // The smallest time that at least 99 of 100 did not exceed.
        let p99 = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        Some(Times {
            min_seconds: seconds(sorted.first())?,
            avg_seconds: sorted.iter().sum::<Duration>().as_secs_f64() / count,
            max_seconds: seconds(sorted.last())?,
            p99_seconds: seconds(sorted.get(p99))?,
        })
    }
}

impl Show for Summary {
    const SCHEMA: &'static str = "rollcall.ping/1";

    fn table(&self, host: &str) -> String {
        let lost = self.lost;
        let mut text = format!(
            "--- {} ping ---\n{} sent, {} received, {lost} lost\n",
            plain(host),
            self.sent,
            self.received
        );
        if let Some(times) = &self.times {
            let shown = [times.min_seconds, times.avg_seconds, times.max_seconds, times.p99_seconds]
                .map(milliseconds);
            text += &format!("min/avg/max/p99 = {}\n", shown.join(" / "));
        }
        text
    }

    fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    fn columns() -> Vec<Column<Summary>> {
        vec![
            Column::usual("sent", "sent", |it| Cell::told(it.sent, it.sent.to_string())),
            Column::usual("lost", "lost", |it| Cell::told(it.lost, it.lost.to_string())),
            Column::usual("min", "min_seconds", |it| span(it.times.as_ref().map(|times| times.min_seconds))),
            Column::usual("avg", "avg_seconds", |it| span(it.times.as_ref().map(|times| times.avg_seconds))),
            Column::usual("max", "max_seconds", |it| span(it.times.as_ref().map(|times| times.max_seconds))),
        ]
    }
}

fn span(seconds: Option<f64>) -> Cell {
    seconds.map_or_else(Cell::none, |seconds| Cell::told(seconds, milliseconds(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_those_of_the_sorted_list() {
        let taken: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let times = Times::of(&taken).unwrap();
        let expected =
            Times { min_seconds: 0.001, avg_seconds: 0.1005, max_seconds: 0.2, p99_seconds: 0.198 };
        assert_eq!(times, expected);
        let one = Times::of(&taken[..1]).unwrap();
        assert_eq!((one.min_seconds, one.p99_seconds), (0.2, 0.2));
        assert_eq!(Times::of(&[]), None);
    }
}
