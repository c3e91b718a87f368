//! TOML read key by key: whatever is wrong is found, named and gone over, so that one look mends it all.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use jiff::SignedDuration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Closer than this, an unknown key was probably meant to be a known one.
const ALIKE: f64 = 0.8;

/// Where in the text, at which key, and what is wrong.
pub(super) type Found = (Option<Range<usize>>, String, String);

/// A table being read: it remembers which keys are known, so that the others can be named.
pub(super) struct Table<'a, 'f> {
    entries: &'a DeTable<'a>,
    path: String,
    known: Vec<&'static str>,
    keys_are_free: bool,
    found: &'f mut Vec<Found>,
}

impl<'a, 'f> Table<'a, 'f> {
    pub(super) fn new(entries: &'a DeTable<'a>, path: String, found: &'f mut Vec<Found>) -> Table<'a, 'f> {
        Table { entries, path, known: Vec::new(), keys_are_free: false, found }
    }

    pub(super) fn entry(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.entries.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.entry(key)?;
        match parse(value.get_ref()) {
            Ok(read) => Some(read),
            Err(message) => {
                self.found.push((Some(value.span()), self.full(key), message));
                None
            }
        }
    }

    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Table<'_, '_>) -> T,
    ) -> Option<T> {
        let value = self.entry(key)?;
        let Some(entries) = value.get_ref().as_table() else {
            self.found.push((
                Some(value.span()),
                self.full(key),
                format!("this must be a table: write [{key}]"),
            ));
            return None;
        };
        let mut table = Table::new(entries, self.full(key), self.found);
        let value = read(&mut table);
        table.finish();
        Some(value)
    }

    /// Reads a table whose keys are its owner's own.
    pub(super) fn read_each<T>(
        &mut self,
        parse: impl Fn((&str, &DeValue<'_>)) -> Result<T, String>,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for (name, value) in self.entries {
            match parse((name.get_ref(), value.get_ref())) {
                Ok(read) => all.push(read),
                Err(message) => self.found.push((Some(name.span()), self.full(name.get_ref()), message)),
            }
        }
        self.keys_are_free = true;
        all
    }

    /// Reads a table of tables whose names are their owner's own.
    pub(super) fn tables<T>(
        &mut self,
        mut read: impl FnMut(&str, &mut Table<'_, '_>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        for (name, value) in self.entries {
            let (name, path) = (name.get_ref().as_ref(), self.full(name.get_ref()));
            let Some(entries) = value.get_ref().as_table() else {
                let message = format!("this must be a table: write [{path}]");
                self.found.push((Some(value.span()), path, message));
                continue;
            };
            let mut table = Table::new(entries, path, self.found);
            let value = read(name, &mut table);
            table.finish();
            all.extend(value.map(|value| (name.to_owned(), value)));
        }
        self.keys_are_free = true;
        all
    }

    /// Whether the key is there, right or wrong.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name.get_ref() == key)
    }

    /// Something is wrong with the table as a whole.
    pub(super) fn fault(&mut self, message: String) {
        let at = self.entries.iter().map(|(name, _)| name.span()).min_by_key(|at| at.start);
        self.found.push((at, self.path.clone(), message));
    }

    pub(super) fn finish(self) {
        if self.keys_are_free {
            return;
        }
        for (name, _) in self.entries {
            let key = name.get_ref().as_ref();
            if self.known.contains(&key) {
                continue;
            }
            let meant = self.known.iter().map(|known| (strsim::jaro_winkler(key, known), known));
            let meant =
                meant.filter(|(alike, _)| *alike > ALIKE).max_by(|one, other| one.0.total_cmp(&other.0));
            let message = match meant {
                Some((_, known)) => format!("unknown key; did you mean `{known}`?"),
                None => format!("unknown key; known here are {}", self.known.join(", ")),
            };
            self.found.push((Some(name.span()), self.full(key), message));
        }
    }

    pub(super) fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

pub(super) fn string<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("this must be a string in quotes, and is {}", kind(value)))
}

pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

pub(super) fn count(value: &DeValue<'_>, range: RangeInclusive<usize>) -> Result<usize, String> {
    let wrong = || format!("this must be a whole number from {} to {}", range.start(), range.end());
    let count = integer(value).and_then(|count| usize::try_from(count).ok()).ok_or_else(wrong)?;
    if range.contains(&count) { Ok(count) } else { Err(wrong()) }
}

pub(super) fn size(value: &DeValue<'_>, range: RangeInclusive<usize>) -> Result<usize, String> {
    let wrong = || {
        format!(
            "this must be a size with its unit, from \"{}\" to \"{}\"",
            shown(*range.start()),
            shown(*range.end())
        )
    };
    let text = string(value).map_err(|_| wrong())?;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let bytes = number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
    if range.contains(&bytes) { Ok(bytes) } else { Err(wrong()) }
}

fn shown(bytes: usize) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB"), (0, "B")];
    let fitting = units.into_iter().find(|(bits, _)| bytes.is_multiple_of(1 << bits) && bytes >> bits > 0);
    fitting.map_or_else(String::new, |(bits, unit)| format!("{}{unit}", bytes >> bits))
}

pub(super) fn duration(value: &DeValue<'_>, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "this must be a time with its unit, from \"{:?}\" to \"{:?}\", such as \"5s\"",
            range.start(),
            range.end()
        )
    };
    let text = value.as_str().ok_or_else(wrong)?;
    let duration = text.parse::<SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    duration.filter(|duration| range.contains(duration)).ok_or_else(wrong)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
