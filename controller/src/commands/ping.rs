//! `controller ping`: repeated echoes over one connection, like the command people know.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use protocol::requests::echo::{Echo, MAX_PAYLOAD};
use serde::Serialize;
use tokio::signal::ctrl_c;
use tokio::time::sleep_until;

use crate::cli::parse_duration;
use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::{milliseconds, plain};

/// Measure the way to a machine and back.
#[derive(Debug, Args)]
pub struct Ping {
    /// A name, an address, or either with :PORT.
    #[arg(add = completion::hosts())]
    pub host: String,
    /// How many echoes; without it, until Ctrl-C.
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Time between two echoes.
    #[arg(long, short, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub interval: Duration,
    /// Bytes in each.
    #[arg(long, short, default_value_t = 56, value_parser = parse_size)]
    pub size: usize,
}

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
        let mut client = desk.connect(&self.host).await?;
        if self.says_each(desk) {
            let (name, at) = (plain(&self.host), client.greeted().reached);
            desk.print(&format!("PING {name} ({at}) over TLS: {} bytes of data\n", self.size))?;
        }
        let mut tally = Tally::default();
        let revoked = client.revoked();
        let failure = tokio::select! {
            failure = self.exchange(desk, &mut client, &mut tally) => failure?,
            failure = revoked => Some(failure),
            _ = ctrl_c() => None,
        };
        let (sent, received) = (tally.sent, tally.taken.len() as u64);
        let times = Times::of(&tally.taken);
        let summary = Summary { sent, received, lost: sent - received, bytes: self.size, times };
        match failure {
            Some(failure) => desk.show_cut_short(&self.host, &summary, failure),
            None => desk.show(&self.host, &summary).map(|()| Exit::Answered),
        }
    }

    async fn exchange(
        &self,
        desk: &Desk,
        client: &mut Client,
        tally: &mut Tally,
    ) -> Result<Option<Failure>, Trouble> {
        let payload: Bytes = (0..=u8::MAX).cycle().take(self.size).collect();
        let began = tokio::time::Instant::now();
        while self.count.is_none_or(|count| tally.sent < count) {
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
                return Ok(Some(Failure::changed_echo(&self.host, self.size, echoed.len())));
            }
            tally.taken.push(taken);
            if self.says_each(desk) {
                let (host, sequence, time) =
                    (plain(&self.host), tally.sent, milliseconds(taken.as_secs_f64()));
                desk.print(&format!("{} bytes from {host}: seq={sequence} time={time}\n", self.size))?;
            }
        }
        Ok(None)
    }

    fn says_each(&self, desk: &Desk) -> bool {
        desk.is_table() && !desk.is_quiet()
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
