//! How answers look: one file a format.

pub mod csv;
pub mod fold;
pub mod human;
pub mod json;
pub mod table;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::error::Failure;

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For eyes.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line, as answers come.
    Jsonl,
    /// Of many hosts: each line as it comes, behind its host.
    Lines,
    /// Of many hosts: the same answer of several once, under all their names.
    Fold,
    /// Of many hosts: a row for each.
    Csv,
    /// Of `check`: for Nagios and Icinga.
    Nagios,
    /// Of `check`: for the node exporter's folder of text files.
    Prometheus,
    /// Of `check`: for what shows the results of tests.
    Junit,
}

impl Format {
    /// Whether `check` says a line whatever happens; anything else would be spoilt by one.
    pub fn has_a_status_line(self) -> bool {
        matches!(self, Format::Table | Format::Lines | Format::Fold | Format::Nagios)
    }
}

/// An answer that can be shown.
pub trait Show: Serialize {
    /// The name and version of its JSON form.
    const SCHEMA: &'static str;

    /// Whether what is for eyes says whose it is, and so can stand among others.
    const SAYS_WHOSE: bool = false;

    /// Whether it has been printed for eyes while it came.
    const IS_PRINTED: bool = false;

    /// For eyes, with a newline at the end.
    fn table(&self, host: &str) -> String;

    /// For eyes, among the answers of many.
    fn among(&self, host: &str) -> String {
        self.table(host)
    }

    /// What is counted of it, where it is no answer that anybody hopes for, such as `ended with 1`.
    fn odd(&self) -> Option<String> {
        None
    }

    /// What was in the way of a better one, where something was.
    fn failure(&self) -> Option<&Failure> {
        None
    }

    /// What there is to see of many hosts, one a row; nothing of an answer that is more than a row.
    fn columns() -> Vec<Column<Self>>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// A column of a table that has a row for each host.
pub struct Column<T> {
    /// Above it.
    pub name: &'static str,
    /// The same for programs, with its unit.
    pub field: &'static str,
    /// Whether it is there when nobody chooses.
    pub is_usual: bool,
    /// What stands in it.
    pub cell: fn(&T) -> Cell,
}

impl<T> Column<T> {
    /// One that is there when nobody chooses.
    pub fn usual(name: &'static str, field: &'static str, cell: fn(&T) -> Cell) -> Column<T> {
        Column { name, field, is_usual: true, cell }
    }

    /// One that is there when it is asked for.
    pub fn other(name: &'static str, field: &'static str, cell: fn(&T) -> Cell) -> Column<T> {
        Column { name, field, is_usual: false, cell }
    }
}

/// One answer's part in a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// For eyes.
    pub shown: String,
    /// For programs, and to sort by.
    pub value: Value,
    /// To sort by in place of that.
    pub rank: Option<u8>,
}

impl Cell {
    /// Words.
    pub fn text(text: &str) -> Cell {
        Cell { shown: text.to_owned(), value: text.into(), rank: None }
    }

    /// A word that stands for more or less of something.
    pub fn ranked(text: &str, rank: u8) -> Cell {
        Cell { rank: Some(rank), ..Cell::text(text) }
    }

    /// What programs read, such as a number, and how people read it.
    pub fn told(value: impl Into<Value>, shown: impl Into<String>) -> Cell {
        Cell { shown: shown.into(), value: value.into(), rank: None }
    }

    /// What the host did not tell.
    pub fn none() -> Cell {
        Cell { shown: "-".to_owned(), value: Value::Null, rank: None }
    }

    /// Whether numbers stand here, which are read from the right.
    pub fn is_number(&self) -> bool {
        self.value.is_number()
    }
}
