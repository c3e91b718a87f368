//! A check that the owner of the machines declared: what its plugin wrote, and its exit code.

use protocol::requests::check::{self, Checked, State};
use serde::Serialize;

use super::{WORDS, Worst};
use crate::caller::Caller;
use crate::commands::declared::{PATIENCE, What};
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{Chosen, Fleet};
use crate::output::human::{behind, harmless, milliseconds, plain};
use crate::output::{Cell as Of, Column, Show};

/// What the check found, with its words as text.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    checked: Checked,
    output: String,
}

/// Has it run on all of them. The worst that was found decides.
pub(super) async fn run(caller: &Caller<'_>, chosen: &Chosen, what: &What) -> Result<Exit, Trouble> {
    let desk = caller.desk;
    let ask = check::Check { name: what.name.clone(), parameters: what.values()? };
    let worst = Worst::default();
    let job = async |host: &str| {
        let found = found(caller, host, &ask).await;
        worst.add(found.as_ref().map_or(State::Unknown, |found| found.checked.state));
        found
    };
    let fleet = Fleet { desk, which: &what.which, words: WORDS };
    Ok(worst.exit(fleet.each(chosen, job).await?))
}

/// Has it run on one host: what its plugin wrote, as a monitoring system would have it from the plugin itself.
pub(super) async fn alone(caller: &Caller<'_>, host: &str, what: &What) -> Result<(String, State), Trouble> {
    let ask = check::Check { name: what.name.clone(), parameters: what.values()? };
    let found = found(caller, host, &ask).await?;
    Ok((found.table(host), found.checked.state))
}

async fn found(caller: &Caller<'_>, host: &str, ask: &check::Check) -> Result<Found, Trouble> {
    let mut client = caller.meet(host).await?;
    let checked = client.ask_within(ask.clone(), caller.desk.patience.unwrap_or(PATIENCE)).await?;
    let output = String::from_utf8_lossy(&checked.output).into_owned();
    Ok(Found { checked, output })
}

impl Show for Found {
    const SCHEMA: &'static str = "rollcall.check/1";
    const SAYS_WHOSE: bool = true;

    fn table(&self, _: &str) -> String {
        let mut text = match &self.checked.why {
            Some(why) => format!("{} - {}\n", self.checked.state.word(), plain(why)),
            None => String::new(),
        };
        text += &harmless(&self.output);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    fn among(&self, host: &str) -> String {
        behind(host, &self.table(host))
    }

    fn odd(&self) -> Option<String> {
        let state = self.checked.state;
        (state != State::Ok).then(|| state.word().to_owned())
    }

    fn columns() -> Vec<Column<Found>> {
        vec![
            Column::other("state", "state", |it| Of::text(it.checked.state.word())),
            Column::other("took", "took_seconds", |it| {
                Of::told(it.checked.ended.took_seconds, milliseconds(it.checked.ended.took_seconds))
            }),
            Column::other("says", "output", |it| Of::text(it.table("").lines().next().unwrap_or_default())),
        ]
    }
}
