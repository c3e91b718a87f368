//! The language in which people say which hosts: `web[01-20],@db!@last:ok`.
//!
//! Words are united or taken from each other from left to right; `docs/selections.md` has the whole of it. Here is no
//! file and no network: what is known of machines is asked of [`Known`], and what comes out is names as text, for
//! others to judge.

use std::borrow::Cow;

mod condition;
mod fault;
mod fold;
mod lookup;
mod names;
mod pattern;
mod ranges;
mod reader;
#[cfg(test)]
mod tests;

pub use condition::Where;
pub use fault::Fault;
pub use fold::fold;
use lookup::Lookup;
use names::Names;
use pattern::Pattern;
use reader::Reader;

/// Names in one selection, before what is named twice is dropped. A slip in a range must not eat the memory of a desk.
pub const MOST_NAMES: u128 = 1_000_000;

/// What is known of machines.
pub trait Known {
    /// All names, in the order in which people are to see them.
    fn names(&self) -> impl Iterator<Item = &str>;

    /// The selections that a group stands for, to be united: what is written for it, and each host that says it is a
    /// member. Groups in there are looked up in turn. `None`: there is no such group.
    fn group(&self, name: &str) -> Option<Vec<String>>;

    /// The names of all groups.
    fn groups(&self) -> Vec<String>;

    /// The hosts of the run before that ended so. `None`: there was no run.
    fn last(&self, outcome: Last) -> Option<Vec<String>>;

    /// What a label of a host says.
    fn label(&self, host: &str, key: &str) -> Option<Cow<'_, str>>;

    /// The keys of all labels of all hosts, each once.
    fn label_keys(&self) -> Vec<String>;

    /// What a name stands for, where that may be written in several ways; `None`: for itself.
    fn meaning(&self, _name: &str) -> Option<String> {
        None
    }
}

/// How the run before ended for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// `@last:failed`
    Failed,
    /// `@last:ok`
    Ok,
}

/// The names that these texts mean together: in the order of first appearance, each once, and at least one.
///
/// # Errors
/// A text is not understood, names what is not known, or means nobody.
pub fn select<T: AsRef<str>>(texts: &[T], known: &impl Known) -> Result<Vec<String>, Fault> {
    select_and_remark(texts, known).map(|(names, _)| names)
}

/// The same, and each word behind a `!` that took nobody out: it may be misspelt.
///
/// # Errors
/// The same.
pub fn select_and_remark<T: AsRef<str>>(
    texts: &[T],
    known: &impl Known,
) -> Result<(Vec<String>, Vec<String>), Fault> {
    let mut lookup = Lookup::new(known);
    let mut all = Names::new(known);
    for text in texts {
        let text = text.as_ref();
        let names = lookup.evaluate(text)?;
        if names.is_empty() {
            return Err(Fault::new(text, 0, "this selects nobody"));
        }
        // Mostly there is one text, and it may be long.
        match all.is_empty() {
            true => all = names,
            false => all.unite(names.in_order()),
        }
    }
    let all = all.in_order();
    if all.is_empty() { Err(Fault::new("", 0, "no host is named")) } else { Ok((all, lookup.in_vain)) }
}

/// These names without some others, and whether any of those was there.
pub fn without(names: Vec<String>, others: &[String], known: &impl Known) -> (Vec<String>, bool) {
    let mut left = Names::new(known);
    left.unite(names);
    let was_there = left.remove(others);
    (left.in_order(), was_there)
}

/// Whether a text is written as a selection must be; what it names is not looked up.
///
/// # Errors
/// It is not.
pub fn judge(text: &str) -> Result<(), Fault> {
    let mut reader = Reader::new(text)?;
    loop {
        reader.word_begins()?;
        Pattern::read(&mut reader)?;
        if reader.operator().is_none() {
            return Ok(());
        }
    }
}

/// The selections in a file: one a line, `#` begins a comment.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty())
}
