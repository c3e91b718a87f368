//! Which hosts to keep by their labels: `role=web,zone!=b,about="for us, and others"`.

use super::Known;
use super::fault::{Fault, instead};

/// What labels must say, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Where(Vec<Condition>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Is {
        key: String,
        value: String,
    },
    /// Holds for hosts without such a label too.
    IsNot {
        key: String,
        value: String,
    },
}

impl Where {
    /// # Errors
    /// A condition is not understood, or no host has a label with that key.
    pub fn parse(text: &str, known: &impl Known) -> Result<Where, Fault> {
        let keys = known.label_keys();
        let mut at = 0;
        let mut all = Vec::new();
        let mut quoted = false;
        let parts = text.split(|letter| {
            quoted ^= letter == '"';
            letter == ',' && !quoted
        });
        for condition in parts {
            let what = Condition::parse(condition, &keys);
            all.push(what.map_err(|(further, what)| Fault::new(text, at + further, what))?);
            at += condition.len() + 1;
        }
        Ok(Where(all))
    }

    /// Whether all of it holds for a host.
    pub fn keep(&self, host: &str, known: &impl Known) -> bool {
        self.0.iter().all(|condition| match condition {
            Condition::Is { key, value } => known.label(host, key).is_some_and(|found| found == *value),
            Condition::IsNot { key, value } => known.label(host, key).is_none_or(|found| found != *value),
        })
    }
}

impl Condition {
    fn parse(text: &str, keys: &[String]) -> Result<Condition, (usize, String)> {
        const FORM: &str = "a condition is KEY=VALUE or KEY!=VALUE";
        let (before, value) = text.split_once('=').ok_or((0, FORM.to_owned()))?;
        let key = before.strip_suffix('!').unwrap_or(before);
        if key.is_empty() || value.is_empty() || value.starts_with('=') {
            return Err((0, FORM.to_owned()));
        }
        if !keys.iter().any(|known| known == key) {
            return Err((0, format!("no host has such a label, {}", instead(key, "", keys))));
        }
        let unquoted = match value.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').ok_or((0, "a `\"` is missing at the end".to_owned()))?,
            None => value,
        };
        let (key, value) = (key.to_owned(), unquoted.to_owned());
        Ok(if before.ends_with('!') { Condition::IsNot { key, value } } else { Condition::Is { key, value } })
    }
}
