//! How a step went: a tick or a cross, where the terminal can show it, and in colour where somebody is looking.

use std::env;
use std::io::{self, IsTerminal};

use serde::Serialize;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Ok,
    /// Something to mend that keeps nobody from going on.
    Warning,
    Failed,
    NotTried,
}

/// The signs that fit where they are printed.
pub(super) struct Signs {
    words: [&'static str; 4],
    coloured: bool,
}

impl Signs {
    pub(super) fn of_this_terminal() -> Signs {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let is_utf8 = locale.to_ascii_lowercase().replace('-', "").contains("utf8");
        Signs {
            words: if is_utf8 { ["✓", "!", "✗", "-"] } else { ["ok  ", "warn", "FAIL", "-   "] },
            coloured: io::stdout().is_terminal() && set("NO_COLOR").is_none(),
        }
    }

    pub(super) fn of(&self, outcome: Outcome) -> String {
        let [good, warning, failed, not_tried] = self.words;
        let (word, colour) = match outcome {
            Outcome::Ok => (good, 32),
            Outcome::Warning => (warning, 33),
            Outcome::Failed => (failed, 31),
            Outcome::NotTried => (not_tried, 0),
        };
        if self.coloured { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }
}
