//! `controller watch`: the facts of `info`, again and again, until Ctrl-C.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use protocol::requests::info::Section;
use protocol::requests::watch::{self, MAX_EVERY_SECONDS, MIN_EVERY_SECONDS};
use tokio::signal::ctrl_c;

use crate::caller::Caller;
use crate::client::Client;
use crate::commands::info::section_parser;
use crate::completion;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::exit::Exit;
use crate::span::parse_duration;

/// Home, and clear to the end: the old picture stays until the new one is there.
const REDRAW: &str = "\x1b[H\x1b[J";

/// What a machine is and how it is doing, again and again.
#[derive(Debug, Args)]
pub struct Watch {
    /// A name, an address, or either with :PORT.
    #[arg(add = completion::hosts())]
    pub host: String,
    /// Time between two answers, from 200ms to 1h.
    #[arg(long, short, value_name = "TIME", default_value = "2s", value_parser = parse_every)]
    pub interval: Duration,
    /// How many answers; without it, until Ctrl-C.
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Only these parts, separated by commas [default: all].
    #[arg(long, value_name = "PARTS", value_delimiter = ',', value_parser = section_parser())]
    pub section: Vec<Section>,
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let every = parse_duration(text)?;
    let fits = (MIN_EVERY_SECONDS..=MAX_EVERY_SECONDS).contains(&every.as_secs_f64());
    if fits { Ok(every) } else { Err("this is a time from 200ms to 1h".to_owned()) }
}

impl Watch {
    /// Shows each answer as it comes; Ctrl-C tells the agent to stop.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        desk.demand_form_of_one()?;
        if desk.is_one_document() {
            let what = "watch prints one answer after the other, which is no one JSON document".to_owned();
            return Err(Trouble::Here(what, "use --output jsonl: one object a line".to_owned()));
        }
        let mut client = Caller::at(desk)?.meet(&self.host).await?;
        let ask = watch::Watch {
            every_seconds: self.interval.as_secs_f64(),
            count: self.count,
            sections: self.section.clone(),
        };
        let id = client.start(&ask).await?;
        let revoked = client.revoked();
        let interrupted = tokio::select! {
            ended = self.follow(desk, &mut client, id) => ended.map(|()| false)?,
            failure = revoked => return Err(failure.into()),
            _ = ctrl_c() => true,
        };
        if interrupted {
            client.cancel(id).await?;
        }
        Ok(Exit::Answered)
    }

    async fn follow(&self, desk: &Desk, client: &mut Client, id: u64) -> Result<(), Trouble> {
        let redraw = desk.is_text() && io::stdout().is_terminal();
        let patience = desk.timeout + self.interval;
        let mut shown: u64 = 0;
        // The agent was told how many; it may be of another opinion.
        while self.count.is_none_or(|count| shown < count) {
            let Some(machine) = client.next::<watch::Watch>(id, patience).await? else {
                return Err(Failure::ended_early(&client.greeted().host, shown).into());
            };
            shown += 1;
            if redraw {
                desk.print(REDRAW)?;
            }
            desk.show(&self.host, &machine)?;
        }
        Ok(())
    }
}
