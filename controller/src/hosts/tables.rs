//! Where the tables of a TOML file lie, found without reading them.

use std::ops::Range;

use serde::de::DeserializeOwned;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// From `[` to `]`.
    pub(super) header: Range<usize>,
    /// Where the next header begins.
    next: usize,
}

impl Place {
    /// All of it, with the comments that stand right above its header, up to those of the next.
    pub(super) fn whole(&self, text: &str) -> Range<usize> {
        above(text, self.header.start)..above(text, self.next)
    }

    /// What stands in it, from the line after its header on.
    pub(super) fn body(&self, text: &str) -> Range<usize> {
        let end = above(text, self.next);
        let rest = text[self.header.end..end].find('\n').map_or(end, |newline| self.header.end + newline + 1);
        rest..end
    }
}

/// Where the line begins in which a header stands, or the comments right above it.
fn above(text: &str, header: usize) -> usize {
    let mut at = text[..header].trim_end_matches([' ', '\t']).len();
    while let Some(before) = text[..at].strip_suffix('\n') {
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        if !before[line..].trim_start().starts_with('#') {
            break;
        }
        at = line;
    }
    at
}

/// All tables, in the order of the file. A header is a `[` that stands first in its line.
pub(super) fn of(text: &str) -> Result<Vec<Place>, String> {
    let mut places: Vec<Place> = Vec::new();
    for (at, _) in text.match_indices('[') {
        let before = text.as_bytes()[..at].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
        if before.is_some_and(|byte| *byte != b'\n') {
            continue;
        }
        if let Some(last) = places.last_mut() {
            last.next = at;
        }
        let line = text[at..].lines().next().unwrap_or_default();
        let header = line.split('#').next().unwrap_or_default().trim_end();
        places.push(Place { header: at..at + header.len(), next: text.len() });
    }
    let mut first = text[..places.first().map_or(text.len(), |first| first.header.start)].lines();
    let stray = first.find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    match stray {
        None => Ok(places),
        Some(stray) => {
            let what = "a machine has a table of its own, [hosts.NAME]; nothing may stand before the first";
            Err(fault(text, stray.as_ptr().addr() - text.as_ptr().addr(), &what))
        }
    }
}

/// Reads what stands in a table.
pub(super) fn read<T: DeserializeOwned>(text: &str, body: Range<usize>) -> Result<T, String> {
    toml::from_str(&text[body.clone()]).map_err(|error| {
        let at = body.start + error.span().map_or(0, |span| span.start);
        fault(text, at, &error.message().lines().next().unwrap_or_default())
    })
}

/// What is wrong, and in which line.
pub(super) fn fault(text: &str, at: usize, what: &dyn std::fmt::Display) -> String {
    format!("line {}: {what}", text[..at.min(text.len())].matches('\n').count() + 1)
}
