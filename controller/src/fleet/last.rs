//! Who answered the last run over many, and who did not: `@last:ok` and `@last:failed`.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::error::Trouble;
use crate::home::Home;
use crate::selection::fold;

/// The next run expects so many not to answer. More of them had an outage in common, which may be over.
const EXPECTED: usize = 1000;

/// Two selections, and who could not be spoken with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) ok: String,
    pub(crate) failed: String,
    #[serde(default)]
    unreached: Vec<String>,
}

impl Last {
    pub(super) fn of(tally: &Tally, labels: &[String]) -> Last {
        let folded = |hosts: &mut dyn Iterator<Item = usize>| fold(hosts.map(|index| labels[index].as_str()));
        let unreached = tally.unreached().take(EXPECTED).map(|index| labels[index].clone()).collect();
        Last { ok: folded(&mut tally.good.iter().copied()), failed: folded(&mut tally.bad()), unreached }
    }

    /// Who was not reached; of a note that cannot be used nobody, for it decides nothing but an order.
    pub(super) fn unreached(home: &Home) -> HashSet<String> {
        let noted = Last::noted(home).ok().flatten();
        noted.unwrap_or_default().unreached.into_iter().collect()
    }

    /// What was noted last; nothing where nothing was.
    pub(crate) fn noted(home: &Home) -> Result<Option<Last>, Trouble> {
        let damaged = |fault: String| Last::damaged(home, &fault);
        let text = match fs::read(home.last_file()) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(format!("cannot be read: {error}"))),
        };
        let last: Last = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let is_plain = |text: &String| !text.contains(['@', '*', '?', '!', '&', '^']);
        match is_plain(&last.ok) && is_plain(&last.failed) {
            true => Ok(Some(last)),
            false => Err(damaged("this holds more than names".to_owned())),
        }
    }

    /// What is said of a note that cannot be used.
    pub(crate) fn damaged(home: &Home, fault: &str) -> Trouble {
        let what = format!("{}: {fault}", home.last_file().display());
        Trouble::Here(what, "remove it; the next run over many hosts writes it anew".to_owned())
    }

    pub(super) fn note(&self, home: &Home) -> Result<(), Trouble> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Home::replace(&home.last_file(), &text)
    }
}
