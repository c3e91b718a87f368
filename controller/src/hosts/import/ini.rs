//! An Ansible inventory in the form of an ini file.

use std::net::Ipv6Addr;

use super::Catch;
use super::ansible::{Site, Variable};
use super::words::words;

/// What lines mean, up to the next header.
enum Section {
    Hosts(String),
    Children(String),
    Variables(String),
    /// Nobody knows.
    Unknown,
}

pub(super) fn read(text: &str, labels: &[String]) -> Result<Catch, String> {
    let mut site = Site::new(labels);
    let mut section = Section::Hosts("ungrouped".to_owned());
    for (line, text) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if let Some((name, kind)) = header(text) {
            section = open(line, name, kind, &mut site);
            continue;
        }
        if is_broken_header(text) {
            // What follows is no part of the section before.
            site.catch.remark(line, "a section is [NAME], [NAME:children] or [NAME:vars], without blanks");
            section = Section::Unknown;
            continue;
        }
        match &section {
            Section::Hosts(group) => host(line, text, group, &mut site)?,
            Section::Children(parent) => {
                let child = text.split('#').next().unwrap_or_default().trim_end();
                site.nest(line, child, parent);
            }
            Section::Unknown => site.catch.leave_out(line, "stands in a section that is not known"),
            Section::Variables(group) => match text.split_once('=') {
                Some((key, value)) => {
                    let said = (key.trim_end().to_owned(), unquoted(value.trim_start()).to_owned());
                    site.say(line, group, said);
                }
                None => site.catch.leave_out(line, "stands among variables, and is no NAME=VALUE"),
            },
        }
    }
    site.finish()
}

/// `[web]` or `[web:children]`, maybe with a comment behind it. An address in brackets is a host.
pub(super) fn header(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (name, kind) = inside.split_once(':').unwrap_or((inside, ""));
    let is_word = |word: &str| !word.contains(|c: char| c.is_whitespace() || c == ':' || c == '[');
    let is_alone = rest.trim_start().is_empty() || rest.trim_start().starts_with(['#', ';']);
    (is_alone && !name.is_empty() && is_word(name) && is_word(kind)).then_some((name, kind))
}

/// `[my servers]` or `[web`: meant as a header, and none.
fn is_broken_header(text: &str) -> bool {
    let text = text.split('#').next().unwrap_or_default().trim_end();
    let Some(inside) = text.strip_prefix('[') else { return false };
    match inside.split_once(']') {
        None => true,
        Some((inside, rest)) => rest.is_empty() && inside.parse::<Ipv6Addr>().is_err(),
    }
}

fn open(line: usize, name: &str, kind: &str, site: &mut Site<'_>) -> Section {
    match kind {
        "" | "hosts" => Section::Hosts(name.to_owned()),
        "children" => Section::Children(name.to_owned()),
        "vars" => Section::Variables(name.to_owned()),
        _ => {
            let kind = kind.escape_debug();
            site.catch.remark(line, format!("a section ends in :children or :vars, and not in `:{kind}`"));
            Section::Unknown
        }
    }
}

/// A variable of a group may have blanks in it without quotes.
fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

fn host(line: usize, text: &str, group: &str, site: &mut Site<'_>) -> Result<(), String> {
    let words = match words(text) {
        Ok(words) => words,
        Err(fault) => {
            site.catch.leave_out(line, fault);
            return Ok(());
        }
    };
    let Some((pattern, said)) = words.split_first() else { return Ok(()) };
    let variable =
        |word: &String| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let said: Vec<Variable> = said.iter().filter_map(variable).collect();
    site.hosts(line, pattern, group, &said)
}
