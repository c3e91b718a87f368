//! Answers of many hosts, each in the form that was asked for. What can be printed as it comes is not kept.

use serde::Serialize;
use serde_json::Value;

use super::form::{Form, HOST, Part};
use super::printer::Printer;
use super::sorted::{self, By};
use super::tally::{Summary, Tally};
use super::which::Look;
use crate::error::{Failure, Trouble};
use crate::output::fold::Folded;
use crate::output::human::harmless;
use crate::output::table::all_columns;
use crate::output::{Cell, Format, Show, csv, json};

/// What was heard so far.
pub(super) struct Answers<'a> {
    format: Format,
    labels: &'a [String],
    printer: Printer,
    schema: &'static str,
    /// Above each column, for eyes and for programs; the first says whose row it is.
    heads: Vec<(&'static str, &'static str)>,
    sort: Option<By>,
    rows: Vec<(usize, Vec<Cell>)>,
    texts: Vec<(usize, String)>,
    folded: Folded,
}

/// The last of many lines.
#[derive(Serialize)]
struct Ending {
    summary: Summary,
}

impl<'a> Answers<'a> {
    /// Nothing was heard yet.
    pub(super) fn new<T: Show>(
        format: Format,
        labels: &'a [String],
        form: &Form<T>,
        look: &Look,
    ) -> Result<Answers<'a>, Trouble> {
        let heads: Vec<_> = [(HOST, HOST)].into_iter().chain(form.heads()).collect();
        let sort = look.sort.as_deref().map(|name| By::column(&heads, name)).transpose()?;
        let (rows, texts, folded) = (Vec::new(), Vec::new(), Folded::default());
        let mut printer = Printer::start();
        if format == Format::Csv {
            let fields = heads.iter().map(|(_, field)| Value::from(*field));
            printer.print(&csv::line(fields.chain([Value::from("failure")])))?;
        }
        Ok(Answers { format, labels, printer, schema: T::SCHEMA, heads, sort, rows, texts, folded })
    }

    /// One more has answered.
    pub(super) fn take(&mut self, index: usize, part: Part) -> Result<(), Trouble> {
        match part {
            Part::None => {}
            Part::AtOnce(text) => self.printer.print(&text)?,
            Part::Row(cells) => {
                let whose = Cell::text(&self.labels[index]);
                let row: Vec<Cell> = [whose].into_iter().chain(cells).collect();
                if self.format == Format::Csv {
                    self.printer.print(&csv::line(row.into_iter().map(|cell| cell.value)))?;
                } else {
                    self.rows.push((index, row));
                }
            }
            Part::Among(text) | Part::Entry(text) => self.texts.push((index, text)),
            Part::Same(text) => self.folded.take(index, text),
        }
        Ok(())
    }

    /// One has not. People are told of it at the end.
    pub(super) fn miss(&mut self, index: usize, failure: &Failure) -> Result<(), Trouble> {
        let host = self.labels[index].as_str();
        match self.format {
            Format::Json => {
                self.texts.push((index, json::of_many::entry(&json::Entry::missed(host, failure))))
            }
            Format::Jsonl => {
                self.printer.print(&json::line(self.schema, &json::Entry::missed(host, failure)))?;
            }
            Format::Csv => {
                let nothing = vec![Value::Null; self.heads.len() - 1];
                let row = [Value::from(host)].into_iter().chain(nothing);
                self.printer.print(&csv::line(row.chain([failure.in_one_line().into()])))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// All have been heard; those that are shown at the end are shown in the order in which they were named, or sorted.
    pub(super) async fn end(mut self, tally: &Tally) -> Result<(), Trouble> {
        self.texts.sort_unstable_by_key(|(index, _)| *index);
        let mut texts = self.texts.into_iter().map(|(_, text)| text);
        let text = match self.format {
            Format::Jsonl => {
                let ending = Ending { summary: tally.summary(self.labels) };
                json::line("rollcall.summary/1", &ending)
            }
            Format::Json => {
                self.printer.print(&json::of_many::head(self.schema))?;
                self.printer.print(&texts.next().unwrap_or_default())?;
                texts.try_for_each(|text| {
                    self.printer.print(json::of_many::BETWEEN)?;
                    self.printer.print(&text)
                })?;
                json::of_many::tail(&tally.summary(self.labels))
            }
            _ => {
                let rows = table(self.rows, &self.heads, self.sort);
                texts.collect::<String>() + &rows + &harmless(&self.folded.text(self.labels))
            }
        };
        self.printer.print(&text)?;
        self.printer.end().await
    }
}

/// A row for each host.
fn table(
    mut rows: Vec<(usize, Vec<Cell>)>,
    heads: &[(&'static str, &'static str)],
    sort: Option<By>,
) -> String {
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_unstable_by_key(|(index, _)| *index);
    let mut rows: Vec<Vec<Cell>> = rows.into_iter().map(|(_, cells)| cells).collect();
    if let Some(by) = sort {
        sorted::sort(&mut rows, by);
    }
    let is_number = |at: &usize| rows.iter().any(|cells| cells[*at].is_number());
    let right: Vec<usize> = (0..heads.len()).filter(is_number).collect();
    let names: Vec<&str> = heads.iter().map(|(name, _)| *name).collect();
    let shown = |cells: Vec<Cell>| cells.into_iter().map(|cell| cell.shown).collect();
    all_columns(Some(&names), &rows.into_iter().map(shown).collect::<Vec<_>>(), &right)
}
