//! What an agent's audit log said last: a note of its newest record, so that it shows when the log is cut later.

use std::path::PathBuf;

use certs::Name;
use certs::store::{self, Existing};
use jiff::Timestamp;
use protocol::chain::Hash;
use serde::{Deserialize, Serialize};

use crate::error::Trouble;
use crate::home::Home;

/// A record that was there.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// Its number.
    pub(crate) n: u64,
    /// Its hash.
    pub(crate) hash: Hash,
    /// When this controller saw it.
    pub(crate) seen: Timestamp,
}

impl Receipt {
    /// Where the one of this agent is.
    pub(crate) fn file(home: &Home, agent: &Name) -> PathBuf {
        home.receipts_folder().join(format!("{agent}.json"))
    }

    /// The last one, if there is any.
    pub(crate) fn load(home: &Home, agent: &Name) -> Result<Option<Receipt>, Trouble> {
        let file = Receipt::file(home, agent);
        let text = match store::read_secret(&file) {
            Err(error) if error.is_not_found() => return Ok(None),
            text => text?,
        };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            let what = format!("{}: this is no receipt: {error}", file.display());
            Trouble::Here(what, "remove it, and the next `controller audit` begins anew".to_owned())
        })
    }

    /// Keeps it in place of the one before.
    pub(crate) fn save(&self, home: &Home, agent: &Name) -> Result<(), Trouble> {
        store::private_folder(&home.receipts_folder())?;
        let text = serde_json::to_string(self).unwrap_or_default() + "\n";
        Ok(store::write_secret(&Receipt::file(home, agent), text.as_bytes(), Existing::Replace)?)
    }
}
