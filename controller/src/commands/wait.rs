//! `controller wait`: until machines are as they should be, for scripts that reboot and go on.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use protocol::requests::check::State;
use protocol::requests::uptime::Uptime;
use serde::Serialize;
use tokio::time::sleep;

use crate::caller::Caller;
use crate::commands::check::{Plans, examine};
use crate::completion;
use crate::desk::Desk;
use crate::error::{Failure, Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which, Words};
use crate::health::flags::Flags;
use crate::output::human::{age_of_seconds, plain};
use crate::output::{Cell, Column, Show};
use crate::span::{parse_days, parse_duration};

/// How long it waits, where nobody says.
const USUAL: Duration = Duration::from_secs(600);

/// One look takes no longer at each stage: a machine that boots drops what is sent to it.
const LOOK: Duration = Duration::from_secs(5);

/// Wait until machines are as they should be.
#[derive(Debug, Args)]
#[command(after_help = "Here --timeout is for all of it [default: 10m].
Examples:
  controller wait web-1 --for reachable --timeout 2m
  controller wait @web --for 'uptime<5m'      until they have rebooted
  controller wait @web --for healthy          until `controller check` says OK")]
pub struct Wait {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// For what: `reachable`, `healthy`, `uptime<TIME` or `uptime>TIME`.
    #[arg(long = "for", value_name = "WHAT", default_value = "reachable")]
    pub until: Until,
    /// Time between two looks at a machine.
    #[arg(long, short, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub interval: Duration,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// It answers.
    Reachable,
    /// All checks are OK.
    Healthy,
    /// It has booted since.
    UpLessThan(Duration),
    /// It has been up for so long.
    UpMoreThan(Duration),
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Until, String> {
        let span = |text: &str| {
            let span = parse_days(text.trim())?;
            Duration::try_from(span).map_err(|error| error.to_string())
        };
        match text {
            "reachable" => Ok(Until::Reachable),
            "healthy" => Ok(Until::Healthy),
            _ => match text.strip_prefix("uptime").map(str::trim_start) {
                Some(rest) if rest.starts_with('<') => span(&rest[1..]).map(Until::UpLessThan),
                Some(rest) if rest.starts_with('>') => span(&rest[1..]).map(Until::UpMoreThan),
                _ => Err("wait for reachable, healthy, uptime<TIME or uptime>TIME".to_owned()),
            },
        }
    }
}

/// That it came.
#[derive(Debug, Serialize)]
struct Came {
    looks: u64,
    took_seconds: f64,
}

const WORDS: Words = Words { done: "as they should be", ..ANSWERED };

impl Show for Came {
    const SCHEMA: &'static str = "rollcall.wait/1";
    const SAYS_WHOSE: bool = true;

    fn table(&self, host: &str) -> String {
        format!("{} after {}\n", plain(host), age_of_seconds(self.took_seconds))
    }

    fn columns() -> Vec<Column<Came>> {
        vec![
            Column::other("after", "took_seconds", |it| {
                Cell::told(it.took_seconds, age_of_seconds(it.took_seconds))
            }),
            Column::other("looks", "looks", |it| Cell::told(it.looks, it.looks.to_string())),
        ]
    }
}

impl Wait {
    /// Looks again and again.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let patience = desk.patience.unwrap_or(USUAL);
        let deadline = Instant::now() + patience;
        let looks = desk.with_limits(LOOK.min(patience), patience);
        let caller = Caller::at(&looks)?;
        let chosen = self.which.choose(&self.hosts, desk, &caller.inventory)?;
        let caller = if chosen.is_one { caller } else { caller.of_many() };
        let plans = match self.until {
            Until::Healthy => Some(Plans::by_host(None, Flags::default(), &caller)?),
            _ => None,
        };
        plans.iter().try_for_each(|plans| plans.refuse_nothing(&chosen.labels))?;
        let fleet = Fleet { desk, which: &self.which, words: WORDS };
        let job = async |host: &str| {
            let not_yet = |trouble: &Trouble| {
                // Of many, a line says how far it is.
                if chosen.is_one {
                    let text = trouble.text();
                    let why = text.lines().next().unwrap_or_default();
                    desk.remark(&format!("{why}; looking again for {patience:?}"));
                }
            };
            let waited = self.wait(&caller, plans.as_ref(), host, deadline, not_yet).await;
            waited.map_err(|trouble| in_vain(trouble, patience))
        };
        let exit = fleet.each(&chosen, job).await?;
        caller.tell_of_endings();
        Ok(exit)
    }

    async fn wait(
        &self,
        caller: &Caller<'_>,
        plans: Option<&Plans<'_>>,
        host: &str,
        deadline: Instant,
        not_yet: impl Fn(&Trouble),
    ) -> Result<Came, Trouble> {
        let (began, mut looks) = (Instant::now(), 0);
        loop {
            looks += 1;
            let looked = self.look(caller, plans, host).await;
            // The last look begins at the deadline, if none takes longer than until then.
            let left = deadline.saturating_duration_since(Instant::now());
            match looked {
                Ok(()) => return Ok(Came { looks, took_seconds: began.elapsed().as_secs_f64() }),
                // What is wrong at this desk does not mend itself.
                Err(trouble @ (Trouble::Here(..) | Trouble::Stdout(_))) => return Err(trouble),
                Err(trouble) if left.is_zero() => return Err(trouble),
                Err(trouble) => {
                    if looks == 1 {
                        not_yet(&trouble);
                    }
                    sleep(self.interval.min(left)).await;
                }
            }
        }
    }

    /// Whether it is as it should be, and if not, why.
    async fn look(&self, caller: &Caller<'_>, plans: Option<&Plans<'_>>, host: &str) -> Result<(), Trouble> {
        if let Some(plans) = plans {
            let report = examine(caller, host, &plans.of_host(host), &BTreeMap::new()).await;
            let said = format!("{} - {}", report.state.word(), report.summary());
            return match report.failure {
                Some(failure) if failure.kind == Kind::NotAsked => {
                    Err(Trouble::Here(failure.message, failure.hint))
                }
                Some(failure) if !report.reached => Err(failure.into()),
                _ if report.state == State::Ok => Ok(()),
                _ => Err(Failure::not_yet(host, &said).into()),
            };
        }
        let running = caller.meet(host).await?.ask(Uptime {}).await?;
        let up = Duration::try_from_secs_f64(running.uptime_seconds).unwrap_or_default();
        match self.until {
            Until::UpLessThan(span) if up >= span => {}
            Until::UpMoreThan(span) if up <= span => {}
            _ => return Ok(()),
        }
        let up = age_of_seconds(running.uptime_seconds);
        Err(Failure::not_yet(host, &format!("it has been up for {up}")).into())
    }
}

/// The last failure, and how long was waited. The span is that of all hosts, so that one reason stays one.
fn in_vain(trouble: Trouble, patience: Duration) -> Trouble {
    match trouble {
        Trouble::Host(mut failure) => {
            failure.message += &format!("; waited {patience:?}");
            Trouble::Host(failure)
        }
        trouble => trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_waited_for() {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        for (text, until) in [
            ("reachable", Until::Reachable),
            ("healthy", Until::Healthy),
            ("uptime<5m", Until::UpLessThan(minutes(5))),
            ("uptime > 1h", Until::UpMoreThan(minutes(60))),
            ("uptime<2d", Until::UpLessThan(minutes(2 * 24 * 60))),
        ] {
            assert_eq!(text.parse(), Ok(until));
        }
        for bad in ["", "well", "uptime", "uptime<", "uptime=5m", "uptime<0"] {
            assert!(bad.parse::<Until>().is_err(), "{bad:?} was taken");
        }
    }
}
