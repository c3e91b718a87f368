//! JSON: stable, documented in `docs/operations.md`, and the same shape for one host and for many.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::Show;
use crate::error::Failure;
use crate::output::human::is_dangerous;

/// The schema of a document in which the only host failed.
pub const FAILURE_SCHEMA: &str = "rollcall.failure/1";

/// A text has room for so much from the beginning.
const USUAL: usize = 4096;

/// What one host said, or why it said nothing.
#[derive(Debug, Serialize)]
pub struct Entry<'a, T> {
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
}

impl<'a, T: Show> Entry<'a, T> {
    /// What it said, and what was in the way of more.
    pub fn answer(host: &'a str, answer: &'a T) -> Entry<'a, T> {
        Entry { host, answer: Some(answer), failure: answer.failure() }
    }
}

impl<'a> Entry<'a, ()> {
    /// Why it said nothing.
    pub fn missed(host: &'a str, failure: &'a Failure) -> Entry<'a, ()> {
        Entry { host, answer: None, failure: Some(failure) }
    }
}

/// One document.
pub fn document<T: Serialize>(schema: &str, entry: &Entry<'_, T>) -> String {
    document_of(&Document { schema, hosts: std::slice::from_ref(entry) })
}

/// One document about many hosts, in parts: text is smaller than what it was made of, and is not copied together.
pub mod of_many {
    use serde::Serialize;

    use super::document_of;

    /// Stands between two hosts.
    pub const BETWEEN: &str = ",\n    ";

    /// Stands before the first host.
    pub fn head(schema: &str) -> String {
        format!("{{\n  \"schema\": \"{schema}\",\n  \"hosts\": [\n    ")
    }

    /// One host.
    pub fn entry(entry: &impl Serialize) -> String {
        within(entry, "\n    ")
    }

    /// Stands behind the last host.
    pub fn tail(summary: &impl Serialize) -> String {
        format!("\n  ],\n  \"summary\": {}\n}}\n", within(summary, "\n  "))
    }

    fn within(value: &impl Serialize, line: &str) -> String {
        let mut text = document_of(value).trim_end().replace('\n', line);
        text.shrink_to_fit();
        text
    }
}

#[derive(Serialize)]
struct Document<'a, T> {
    schema: &'a str,
    hosts: &'a [T],
}

/// One line.
pub fn line(schema: &str, entry: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Line<'a, T> {
        schema: &'a str,
        #[serde(flatten)]
        entry: &'a T,
    }
    line_of(&Line { schema, entry })
}

/// One document.
pub fn document_of(value: &impl Serialize) -> String {
    write(value, PrettyFormatter::new())
}

/// The same on one line.
pub fn line_of(value: &impl Serialize) -> String {
    write(value, CompactFormatter)
}

fn write(value: &impl Serialize, formatter: impl Formatter) -> String {
    // The usual answer fits; growing from nothing would copy it some ten times.
    let mut out = Vec::with_capacity(USUAL);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Plain(formatter));
    // Writing our own types into memory fails only when there is a fault in them, and then half a line helps nobody.
    if value.serialize(&mut serializer).is_err() {
        out.clear();
    }
    out.push(b'\n');
    // It is text: nothing else was written.
    String::from_utf8(out).unwrap_or_default()
}

/// Writes characters that a terminal might obey as escapes: the JSON says the same and does nothing.
struct Plain<F>(F);

macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),*));+ $(;)?) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })+
    };
}

impl<F: Formatter> Formatter for Plain<F> {
    forward! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_dangerous) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            if let Some(dangerous) = characters.next() {
                let mut units = [0; 2];
                for unit in dangerous.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<'a, T>(host: &'a str, answer: &'a T) -> Entry<'a, T> {
        Entry { host, answer: Some(answer), failure: None }
    }

    #[test]
    fn what_a_terminal_might_obey_is_escaped_and_means_the_same() {
        let hostile = "a\u{1b}]0;x\u{7}b\u{9b}31mc\u{202e}d\u{7f}é";
        let text = line("s/1", &said("web-1", &hostile));
        assert!(!text.trim_end().chars().any(is_dangerous), "{text:?}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["answer"], hostile);
    }

    #[test]
    fn many_are_written_like_one() {
        #[derive(Serialize)]
        struct Many<'a> {
            schema: &'a str,
            hosts: [Entry<'a, [&'a str; 2]>; 2],
            summary: [u8; 1],
        }
        let answer = ["a\n\"b\"", "c"];
        let entries = || [said("web-1", &answer), said("web-2", &answer)];
        let parts = entries().map(|part| of_many::entry(&part));
        let together = of_many::head("s/1") + &parts.join(of_many::BETWEEN) + &of_many::tail(&[7]);
        assert_eq!(together, document_of(&Many { schema: "s/1", hosts: entries(), summary: [7] }));
    }
}
