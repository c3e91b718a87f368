//! One word: `r[1-4]n[1-16]`, `web-1:7000`, `[2001:db8::1]:5669`, `@db`, `web*`.

use super::fault::Fault;
use super::ranges::Ranges;
use super::reader::{Reader, ends_word};

/// Characters of a name: 253 in DNS, a colon and a port.
const MOST_LETTERS: usize = 259;

enum Part<'a> {
    Text(&'a str),
    Ranges(Ranges),
}

/// A word that is read, and not yet spelled out.
pub(super) struct Pattern<'a> {
    parts: Vec<Part<'a>>,
    /// How many names it means.
    pub(super) count: u128,
}

impl<'a> Pattern<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Pattern<'a>, Fault> {
        let start = *reader;
        let mut pattern = Pattern { parts: Vec::new(), count: 1 };
        let mut letters = 0;
        while let Some(next) = reader.peek().filter(|next| !ends_word(*next)) {
            let part = match (next, ipv6(reader.rest())) {
                (b'[', Some(address)) if pattern.parts.is_empty() => {
                    reader.skip(address.len());
                    Part::Text(address)
                }
                (b'[', _) => Part::Ranges(Ranges::read(reader, pattern.count)?),
                (b']', _) => return Err(reader.fault("this `]` closes nothing, a `[` is missing")),
                _ => Part::Text(reader.take_until(|byte| ends_word(byte) || matches!(byte, b'[' | b']'))),
            };
            letters += part.letters();
            // Judged while it grows: there are never more parts than letters in a name.
            if letters > MOST_LETTERS {
                return Err(start.fault(format!("a name has at most {MOST_LETTERS} characters")));
            }
            if let Part::Ranges(ranges) = &part {
                pattern.count *= ranges.count;
            }
            pattern.parts.push(part);
        }
        Ok(pattern)
    }

    /// All its names, the last number counting fastest.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        spell(&self.parts, &mut String::new(), &mut names);
        names
    }
}

impl Part<'_> {
    fn letters(&self) -> usize {
        match self {
            Part::Text(text) => text.len(),
            Part::Ranges(ranges) => ranges.letters,
        }
    }
}

/// An address in brackets at the beginning of this. A range has no colon.
fn ipv6(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(|c: char| !c.is_ascii_hexdigit() && !matches!(c, ':' | '.'))?;
    (inside[end..].starts_with(']') && inside[..end].contains(':')).then(|| &text[..end + 2])
}

fn spell(parts: &[Part<'_>], begun: &mut String, names: &mut Vec<String>) {
    let length = begun.len();
    match parts {
        [] => names.push(begun.clone()),
        [Part::Text(text), others @ ..] => {
            begun.push_str(text);
            spell(others, begun, names);
            begun.truncate(length);
        }
        [Part::Ranges(ranges), others @ ..] => {
            for number in ranges.ranges.iter().flat_map(|range| range.numbers()) {
                begun.push_str(&number);
                spell(others, begun, names);
                begun.truncate(length);
            }
        }
    }
}
