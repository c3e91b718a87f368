//! Who answered the last run over many, and who did not: `@last:ok` and `@last:failed`.

use std::fs;

use certs::store::{self, Existing};
use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::error::Trouble;
use crate::home::Home;
use crate::selection::fold;

/// Two selections.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) ok: String,
    pub(crate) failed: String,
}

impl Last {
    pub(super) fn of(tally: &Tally, labels: &[String]) -> Last {
        let folded = |hosts: &mut dyn Iterator<Item = usize>| fold(hosts.map(|index| labels[index].as_str()));
        Last { ok: folded(&mut tally.good.iter().copied()), failed: folded(&mut tally.bad()) }
    }

    /// What was noted last; nothing where nothing was.
    pub(crate) fn noted(home: &Home) -> Option<Last> {
        let text = fs::read(home.last_file()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn note(&self, home: &Home) -> Result<(), Trouble> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Ok(store::write_secret(&home.last_file(), &text, Existing::Replace)?)
    }
}
