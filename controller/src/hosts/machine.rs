//! What is known of one machine, and how its table is written.

use std::collections::{BTreeMap, BTreeSet};

use certs::Name;
use protocol::DEFAULT_PORT;
use serde::Deserialize;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Value, value};

use super::endpoint::Endpoint;

/// What is known of one machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// Where it may be reached; its name, where there is none.
    pub addresses: Vec<String>,
    /// The port of those that do not name one.
    pub port: Option<u16>,
    /// The name in its certificate, where it is called otherwise here.
    pub identity: Option<String>,
    /// What its people want to find it by.
    pub labels: BTreeMap<String, String>,
    /// The groups that it is in.
    pub groups: BTreeSet<String>,
}

impl Machine {
    /// Where it may be reached, in this order.
    ///
    /// # Errors
    /// What stands there is no address.
    pub(crate) fn endpoints(&self, name: &str) -> Result<Vec<Endpoint>, String> {
        let port = self.port.unwrap_or(DEFAULT_PORT);
        let endpoint = |text: &str| {
            Endpoint::with_default_port(text, port)
                .map_err(|fault| format!("`{}`: {fault}", text.escape_debug()))
        };
        match self.addresses.is_empty() {
            true => Ok(vec![endpoint(name)?]),
            false => self.addresses.iter().map(|address| endpoint(address)).collect(),
        }
    }

    /// Writes what is not as before; a comment behind a value stays.
    pub(super) fn write_over(&self, before: &Machine, table: &mut DocumentMut) {
        let list = |words: Vec<&String>| {
            (!words.is_empty()).then(|| Value::from(words.into_iter().collect::<Array>()))
        };
        let labels =
            (!self.labels.is_empty()).then(|| Value::from(self.labels.iter().collect::<InlineTable>()));
        let entries = [
            ("addresses", before.addresses != self.addresses, list(self.addresses.iter().collect())),
            ("port", before.port != self.port, self.port.map(|port| i64::from(port).into())),
            ("identity", before.identity != self.identity, self.identity.as_ref().map(Value::from)),
            ("labels", before.labels != self.labels, labels),
            ("groups", before.groups != self.groups, list(self.groups.iter().collect())),
        ];
        for (key, _, new) in entries.into_iter().filter(|(_, is_new, _)| *is_new) {
            let Some(mut new) = new else {
                table.remove(key);
                continue;
            };
            if let Some(old) = table.get(key).and_then(Item::as_value) {
                *new.decor_mut() = old.decor().clone();
            }
            table[key] = value(new);
        }
    }

    /// Whether what stands there means something.
    pub(super) fn check(&self, name: &str) -> Result<(), String> {
        self.endpoints(name)?;
        for word in self.groups.iter().chain(self.labels.keys()) {
            demand_word(word)?;
        }
        match &self.identity {
            Some(identity) => identity.parse::<Name>().map(drop).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }
}

/// Groups and labels are named by words that a selection can hold.
pub(crate) fn demand_word(word: &str) -> Result<(), String> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match !word.is_empty() && word.len() <= 63 && word.bytes().all(is_good) {
        true => Ok(()),
        false => {
            Err(format!("`{}`: a label or a group is named by a-z, 0-9, -, _ and .", word.escape_debug()))
        }
    }
}
