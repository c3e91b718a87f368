//! Where the tables of a TOML file lie, found without reading them.

use std::ops::Range;

use serde::de::DeserializeOwned;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Where the comments begin that stand right above its header.
    above: usize,
    /// From `[` to `]`.
    pub(super) header: Range<usize>,
    /// Where those of the next begin.
    end: usize,
}

impl Place {
    /// All of it, with its comments.
    pub(super) fn whole(&self) -> Range<usize> {
        self.above..self.end
    }

    /// What stands in it, from the line after its header on.
    pub(super) fn body(&self, text: &str) -> Range<usize> {
        let after = &text[self.header.end..self.end];
        self.end - after.find('\n').map_or(0, |newline| after.len() - newline - 1)..self.end
    }
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
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        match line.as_bytes().get(indent) {
            Some(b'#') => {
                comments.get_or_insert(start);
                continue;
            }
            Some(b'[') => {
                let above = comments.unwrap_or(start);
                if let Some(before) = places.last_mut() {
                    before.end = above;
                }
                let header = line.split('#').next().unwrap_or_default().trim();
                let header = start + indent..start + indent + header.len();
                places.push(Place { above, header, end: text.len() });
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
