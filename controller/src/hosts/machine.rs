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

    /// Writes what is not as before. All else stays, with its comments and in its order.
    pub(super) fn write_over(&self, before: &Machine, table: &mut DocumentMut) {
        let addresses = (!self.addresses.is_empty()).then(|| self.addresses.iter().collect::<Array>().into());
        let entries = [
            ("addresses", before.addresses != self.addresses, addresses),
            ("port", before.port != self.port, self.port.map(|port| i64::from(port).into())),
            ("identity", before.identity != self.identity, self.identity.as_ref().map(Value::from)),
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
        if before.labels != self.labels {
            write_labels(&self.labels, table);
        }
        if before.groups != self.groups {
            write_groups(&self.groups, table);
        }
    }

    /// Whether what stands there means something.
    pub(super) fn check(&self, name: &str) -> Result<(), String> {
        if self.port == Some(0) {
            return Err("a port is a number from 1 to 65535".to_owned());
        }
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

fn write_labels(labels: &BTreeMap<String, String>, table: &mut DocumentMut) {
    if labels.is_empty() {
        table.remove("labels");
        return;
    }
    let item = table.entry("labels").or_insert_with(|| value(InlineTable::new()));
    let Some(written) = item.as_table_like_mut() else { return };
    let gone = written.iter().map(|(key, _)| key.to_owned()).filter(|key| !labels.contains_key(key));
    for key in gone.collect::<Vec<_>>() {
        written.remove(&key);
    }
    for (key, text) in labels {
        match written.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = text.into();
                *old.decor_mut() = decor;
            }
            None => drop(written.insert(key, value(text))),
        }
    }
    // In there is no comment.
    if let Some(inline) = item.as_inline_table_mut() {
        inline.fmt();
    }
}

fn write_groups(groups: &BTreeSet<String>, table: &mut DocumentMut) {
    if groups.is_empty() {
        table.remove("groups");
        return;
    }
    let item = table.entry("groups").or_insert_with(|| value(Array::new()));
    let Some(written) = item.as_array_mut() else { return };
    written.retain(|group| group.as_str().is_some_and(|group| groups.contains(group)));
    let known: Vec<String> = written.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let new = groups.iter().filter(|group| !known.contains(group));
    if !written.to_string().contains('\n') {
        written.extend(new);
        written.fmt();
        return;
    }
    // Each on a line of its own. A comment behind the last one stays behind it.
    let last = written.iter().last().and_then(|last| last.decor().prefix()?.as_str());
    let line = last.map_or("\n", |last| &last[last.rfind('\n').unwrap_or(0)..]).to_owned();
    let trailing = written.trailing().as_str().unwrap_or_default().to_owned();
    let (mut comment, end) = trailing.split_at(trailing.rfind('\n').unwrap_or(0));
    for group in new {
        written.push_formatted(Value::from(group).decorated(comment.to_owned() + &line, ""));
        comment = "";
        written.set_trailing(end);
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
