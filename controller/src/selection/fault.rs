//! What is wrong with a selection, and where.

use std::fmt;

use crate::meant::nearest;

/// Characters of a selection that are shown on either side of the place.
const AROUND: usize = 30;

/// Why a text is no selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The whole selection.
    pub text: String,
    /// The character in it that this is about, from 0.
    pub at: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

impl Fault {
    /// `at` counts bytes, and is where a character begins.
    pub(super) fn new(text: &str, at: usize, what: impl Into<String>) -> Fault {
        Fault { text: text.to_owned(), at: text[..at].chars().count(), what: what.into() }
    }

    /// The same fault, for somebody who has not written that selection here.
    pub(super) fn within_group(mut self, name: &str) -> Fault {
        self.what.push_str(&format!(" (in group @{name})"));
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            return f.write_str(&self.what);
        }
        let from = self.at.saturating_sub(AROUND);
        let mut rest = self.text.chars().skip(from);
        // What does not look like what it is, is shown as what it is.
        let shown: String =
            rest.by_ref().take(self.at - from + AROUND).flat_map(char::escape_default).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if rest.next().is_some() { "…" } else { "" };
        write!(f, "`{before}{shown}{after}`, at character {}: {}", self.at + 1, self.what)
    }
}

impl std::error::Error for Fault {}

/// The end of a sentence about a word that is not known: what was probably meant, or all that is known.
pub(super) fn instead(word: &str, mark: &str, known: &[String]) -> String {
    match (nearest(word, known.iter().map(String::as_str)), known) {
        (Some(meant), _) => format!("did you mean `{mark}{meant}`?"),
        (None, []) => "there are none at all".to_owned(),
        (None, [first, others @ ..]) => {
            let all =
                others.iter().take(9).fold(format!("{mark}{first}"), |all, other| all + ", " + mark + other);
            format!("known are {all}{}", if others.len() > 9 { " and more" } else { "" })
        }
    }
}
