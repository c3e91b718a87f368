//! Where the tables of a TOML file lie, found without reading them.

use std::ops::Range;

use serde::de::DeserializeOwned;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// With the comments that stand right above its header, up to those of the next.
    pub(super) whole: Range<usize>,
    /// From `[` to `]`.
    pub(super) header: Range<usize>,
    /// What stands in it.
    pub(super) body: Range<usize>,
}

/// All tables, in the order of the file.
pub(super) fn of(text: &str) -> Result<Vec<Place>, String> {
    let mut places: Vec<Place> = Vec::new();
    // Where a block of comments begins that nothing separates from what comes next.
    let mut comments = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        // There are many lines, and most are told by their first character.
        match line.as_bytes()[0] {
            b'#' | b' ' | b'\t' if line.trim_start().starts_with('#') => {
                comments.get_or_insert(start);
                continue;
            }
            b'[' => {
                let above = comments.unwrap_or(start);
                if let Some(before) = places.last_mut() {
                    (before.whole.end, before.body.end) = (above, above);
                }
                let header = line.split('#').next().unwrap_or_default().trim_end();
                let header = start..start + header.len();
                places.push(Place { whole: above..text.len(), header, body: at..text.len() });
            }
            _ if places.is_empty() && !line.trim().is_empty() => {
                let what =
                    "a machine has a table of its own, [hosts.NAME]; nothing may stand before the first";
                return Err(fault(text, start, &what));
            }
            _ => {}
        }
        comments = None;
    }
    Ok(places)
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
