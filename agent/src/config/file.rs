//! `agent.toml`: read whole, with every fault named by line and key, so that one look mends them all.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use tracing::level_filters::LevelFilter;

use super::declared::declarations;
use super::table::{Found, Table, count, duration, size, string};
use super::{Fault, Limits, Policy, parse_listen, parse_log};
use crate::audit::{Recording, WhenBroken};
use crate::declared::{Declarations, nobody_else_can_change};
use crate::permissions::{Permissions, Rule, What};
use crate::sandbox::Demand;

/// A configuration is a page of text; whatever is larger is something else.
const MAX_BYTES: u64 = 1024 * 1024;

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) listen: Option<Vec<SocketAddr>>,
    pub(super) identity: Option<PathBuf>,
    pub(super) log: Option<LevelFilter>,
    pub(super) sandbox: Demand,
    pub(super) policy: Policy,
    pub(super) declarations: Declarations,
}

/// Reads the file, or says all that is wrong with it.
pub(super) fn read(path: &Path) -> Result<File, Vec<Fault>> {
    let file = read_as(path, file)?;
    declared_by_its_owner(path, &file.declarations)?;
    Ok(file)
}

/// Reads a further file, in which there is nothing but declarations.
pub(super) fn read_more(path: &Path) -> Result<Declarations, Vec<Fault>> {
    let more = read_as(path, declarations)?;
    declared_by_its_owner(path, &more)?;
    Ok(more)
}

/// Whoever can write what is to be started can start anything.
fn declared_by_its_owner(path: &Path, declarations: &Declarations) -> Result<(), Vec<Fault>> {
    if declarations.is_empty() {
        return Ok(());
    }
    nobody_else_can_change(path)
        .map_err(|why| whole(path, format!("declares what is to be started, and {why}")))
}

fn whole(path: &Path, message: String) -> Vec<Fault> {
    vec![Fault { file: path.to_owned(), place: None, key: String::new(), message }]
}

fn read_as<T>(path: &Path, read: impl FnOnce(&mut Table<'_, '_>) -> T) -> Result<T, Vec<Fault>> {
    let whole = |message: String| whole(path, message);
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
    parse(&text, read).map_err(|mut found| {
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

fn parse<T>(text: &str, read: impl FnOnce(&mut Table<'_, '_>) -> T) -> Result<T, Vec<Found>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let fault = |error: &toml::de::Error| {
        let message = error.message();
        let key = error.span().and_then(|at| text.get(at)).filter(|_| message == "duplicate key");
        let message = key.map_or_else(
            || message.to_owned(),
            |key| format!("{key} stands here a second time: there is one line for each, such as a list [\"...\", \"...\"]"),
        );
        (error.span(), String::new(), message)
    };
    let mut found: Vec<Found> = errors.iter().map(fault).collect();
    let mut root = Table::new(document.get_ref(), String::new(), &mut found);
    let read = read(&mut root);
    root.finish();
    if found.is_empty() { Ok(read) } else { Err(found) }
}

fn file(root: &mut Table<'_, '_>) -> File {
    File {
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
        declarations: declarations(root),
    }
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
        programs: table.read("programs", |value| count(value, counts.clone())).unwrap_or(usual.programs),
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
        What::Permission(all) if all == "run" => {
            Err("`run` alone is too much to grant: name each command, as run:NAME".to_owned())
        }
        what => Ok(what),
    }
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

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
