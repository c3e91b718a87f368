//! `agent.toml`: read whole, with every fault named by line and key, so that one look mends them all.

use std::fs;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use std::net::SocketAddr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tracing::level_filters::LevelFilter;

use super::{Fault, Limits, Policy, parse_listen, parse_log};
use crate::audit::{Recording, WhenBroken};
use crate::permissions::{Permissions, Rule, What};
use crate::sandbox::Demand;

/// A configuration is a page of text; whatever is larger is something else.
const MAX_BYTES: u64 = 1024 * 1024;

/// Closer than this, an unknown key was probably meant to be a known one.
const ALIKE: f64 = 0.8;

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) listen: Option<Vec<SocketAddr>>,
    pub(super) identity: Option<PathBuf>,
    pub(super) log: Option<LevelFilter>,
    pub(super) sandbox: Demand,
    pub(super) policy: Policy,
}

/// Reads the file, or says all that is wrong with it.
pub(super) fn read(path: &Path) -> Result<File, Vec<Fault>> {
    let whole =
        |message: String| vec![Fault { file: path.to_owned(), place: None, key: String::new(), message }];
    let metadata = fs::metadata(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
    if !metadata.is_file() {
        return Err(whole("is not a file".to_owned()));
    }
    let size = metadata.len();
    if size > MAX_BYTES {
        return Err(whole(format!("is {size} bytes long; a configuration has at most {MAX_BYTES}")));
    }
    let bytes = fs::read(path).map_err(|error| whole(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
        whole(format!("line {line} is not UTF-8 text"))
    })?;
    parse(&text).map_err(|mut found| {
        found.sort_by_key(|(at, ..)| at.as_ref().map(|at| at.start));
        found
            .into_iter()
            .map(|(at, key, message)| {
                let place = at.map(|at| place(&text, at.start));
                Fault { file: path.to_owned(), place, key, message }
            })
            .collect()
    })
}

type Found = (Option<Range<usize>>, String, String);

fn parse(text: &str) -> Result<File, Vec<Found>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut found: Vec<Found> =
        errors.iter().map(|error| (error.span(), String::new(), error.message().to_owned())).collect();
    let mut root = Table::new(document.get_ref(), "", &mut found);
    let file = File {
        listen: root.read("listen", listen),
        identity: root.read("identity", |value| string(value).map(PathBuf::from)),
        log: root.read("log", |value| parse_log(string(value)?)),
        sandbox: root.read("sandbox", demand).unwrap_or_default(),
        policy: Policy {
            limits: root.table("limits", limits).unwrap_or_default(),
            audit: root.table("audit", audit).unwrap_or_default(),
            permissions: Permissions {
                allow: root.table("allow", |table| rules(table, granted)).unwrap_or_default(),
                deny: root.table("deny", |table| rules(table, str::parse)).unwrap_or_default(),
            },
        },
    };
    root.finish();
    if found.is_empty() { Ok(file) } else { Err(found) }
}

fn limits(table: &mut Table<'_, '_>) -> Limits {
    const SECOND: Duration = Duration::from_secs(1);
    let usual = Limits::default();
    let counts = 1..=1_000_000;
    Limits {
        unverified: table
            .read("unverified", |value| count(value, counts.clone()))
            .unwrap_or(usual.unverified),
        connections: table
            .read("connections", |value| count(value, counts.clone()))
            .unwrap_or(usual.connections),
        connections_per_identity: table
            .read("connections_per_identity", |value| count(value, counts.clone()))
            .unwrap_or(usual.connections_per_identity),
        requests_in_flight: table
            .read("requests_in_flight", |value| count(value, 1..=10_000))
            .unwrap_or(usual.requests_in_flight),
        requests_in_flight_per_identity: table
            .read("requests_in_flight_per_identity", |value| count(value, counts.clone()))
            .unwrap_or(usual.requests_in_flight_per_identity),
        frame_bytes: table.read("frame", |value| size(value, 1024..=64 << 20)).unwrap_or(usual.frame_bytes),
        handshake: table
            .read("handshake", |value| duration(value, SECOND / 10..=SECOND * 60))
            .unwrap_or(usual.handshake),
        rest_of_frame: table
            .read("rest_of_frame", |value| duration(value, SECOND / 10..=SECOND * 600))
            .unwrap_or(usual.rest_of_frame),
        idle: table.read("idle", |value| duration(value, SECOND..=SECOND * 86_400)).unwrap_or(usual.idle),
        write: table
            .read("write", |value| duration(value, SECOND / 10..=SECOND * 600))
            .unwrap_or(usual.write),
        drain: table
            .read("drain", |value| duration(value, Duration::ZERO..=SECOND * 600))
            .unwrap_or(usual.drain),
    }
}

fn audit(table: &mut Table<'_, '_>) -> Recording {
    let usual = Recording::default();
    Recording {
        folder: None,
        rotate_bytes: table
            .read("rotate", |value| size(value, 16 << 10..=1 << 30))
            .map_or(usual.rotate_bytes, |size| size as u64),
        keep: table.read("keep", |value| count(value, 1..=10_000)).unwrap_or(usual.keep),
        when_broken: table.read("when_broken", when_broken).unwrap_or(usual.when_broken),
    }
}

fn when_broken(value: &DeValue<'_>) -> Result<WhenBroken, String> {
    match string(value)? {
        "continue" => Ok(WhenBroken::Continue),
        "refuse" => Ok(WhenBroken::Refuse),
        _ => Err("this is \"continue\" or \"refuse\"".to_owned()),
    }
}

fn demand(value: &DeValue<'_>) -> Result<Demand, String> {
    match string(value)? {
        "best-effort" => Ok(Demand::BestEffort),
        "required" => Ok(Demand::Required),
        _ => Err("this is \"best-effort\" or \"required\"".to_owned()),
    }
}

/// `[allow]` and `[deny]`: whom each line concerns, and what it is about.
fn rules(table: &mut Table<'_, '_>, parse: impl Fn(&str) -> Result<What, String>) -> Vec<Rule> {
    let what = |value: &DeValue<'_>| match value.as_array() {
        Some(values) => values.iter().map(|value| parse(string(value.get_ref())?)).collect(),
        None => Ok(vec![parse(string(value)?)?]),
    };
    let whole = |(key, value): (&str, &DeValue<'_>)| Ok(Rule { who: key.parse()?, what: what(value)? });
    table.read_each(whole)
}

fn granted(text: &str) -> Result<What, String> {
    match text.parse()? {
        What::Everything => Err("`*` is too much to grant: name each permission".to_owned()),
        what => Ok(what),
    }
}

/// A table being read: it remembers which keys are known, so that the others can be named.
struct Table<'a, 'f> {
    entries: &'a DeTable<'a>,
    path: &'static str,
    known: Vec<&'static str>,
    keys_are_free: bool,
    found: &'f mut Vec<Found>,
}

impl<'a, 'f> Table<'a, 'f> {
    fn new(entries: &'a DeTable<'a>, path: &'static str, found: &'f mut Vec<Found>) -> Table<'a, 'f> {
        Table { entries, path, known: Vec::new(), keys_are_free: false, found }
    }

    fn entry(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.entries.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn read<T>(
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

    fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'_, '_>) -> T) -> Option<T> {
        let value = self.entry(key)?;
        let Some(entries) = value.get_ref().as_table() else {
            self.found.push((
                Some(value.span()),
                self.full(key),
                format!("this must be a table: write [{key}]"),
            ));
            return None;
        };
        let mut table = Table::new(entries, key, self.found);
        let value = read(&mut table);
        table.finish();
        Some(value)
    }

    /// Reads a table whose keys are its owner's own.
    fn read_each<T>(&mut self, parse: impl Fn((&str, &DeValue<'_>)) -> Result<T, String>) -> Vec<T> {
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

    fn finish(self) {
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

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn string<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("this must be a string in quotes, and is {}", kind(value)))
}

fn listen(value: &DeValue<'_>) -> Result<Vec<SocketAddr>, String> {
    let addresses: Vec<SocketAddr> = match value.as_array() {
        Some(values) => {
            values.iter().map(|value| parse_listen(string(value.get_ref())?)).collect::<Result<_, _>>()?
        }
        None => vec![parse_listen(string(value)?)?],
    };
    if let Some(twice) = addresses.iter().enumerate().find(|(at, address)| addresses[..*at].contains(address))
    {
        return Err(format!("{} stands here twice", twice.1));
    }
    if addresses.is_empty() {
        return Err("an agent that listens nowhere is of no use: name one address at least".to_owned());
    }
    Ok(addresses)
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn count(value: &DeValue<'_>, range: RangeInclusive<usize>) -> Result<usize, String> {
    let wrong = || format!("this must be a whole number from {} to {}", range.start(), range.end());
    let count = integer(value).and_then(|count| usize::try_from(count).ok()).ok_or_else(wrong)?;
    if range.contains(&count) { Ok(count) } else { Err(wrong()) }
}

fn size(value: &DeValue<'_>, range: RangeInclusive<usize>) -> Result<usize, String> {
    let wrong = || {
        format!(
            "this must be a size with its unit, from \"{}KiB\" to \"{}MiB\"",
            range.start() >> 10,
            range.end() >> 20
        )
    };
    let text = string(value).map_err(|_| wrong())?;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return Err(wrong()),
    };
    let bytes = number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
    if range.contains(&bytes) { Ok(bytes) } else { Err(wrong()) }
}

fn duration(value: &DeValue<'_>, range: RangeInclusive<Duration>) -> Result<Duration, String> {
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

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
