//! Answers of many hosts, each in the form that was asked for. What can be printed as it comes is not kept.

use std::cmp::Ordering;

use serde::Serialize;
use serde_json::Value;

use super::tally::Tally;
use super::which::Look;
use crate::cli::Format;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::output::fold::Folded;
use crate::output::human::{harmless, plain};
use crate::output::table::all_columns;
use crate::output::{Cell, Column, Show, csv, json};

/// What was heard so far.
pub(super) struct Answers<'a, T> {
    desk: &'a Desk,
    labels: &'a [String],
    columns: Vec<Column<T>>,
    /// Whether answers are the same when these columns are.
    by_column: bool,
    /// By which of them, and whether the largest comes first.
    sort: Option<(usize, bool)>,
    kept: Kept<T>,
}

enum Kept<T> {
    Nothing,
    Rows(Vec<(usize, Vec<Cell>)>),
    Texts(Vec<(usize, String)>),
    Folded(Folded),
    Outcomes(Vec<(usize, Result<T, Failure>)>),
}

impl<'a, T: Show> Answers<'a, T> {
    /// Nothing was heard yet.
    pub(super) fn new(desk: &'a Desk, labels: &'a [String], look: &Look) -> Result<Answers<'a, T>, Trouble> {
        let columns = chosen(T::columns(), &look.columns)?;
        let sort = look.sort.as_deref().map(|name| sort_by(&columns, name)).transpose()?;
        let kept = match desk.format {
            Format::Table if T::IS_PRINTED => Kept::Nothing,
            Format::Table if !columns.is_empty() => Kept::Rows(Vec::new()),
            Format::Table if T::SAYS_WHOSE => Kept::Texts(Vec::new()),
            Format::Table | Format::Fold => Kept::Folded(Folded::default()),
            Format::Json => Kept::Outcomes(Vec::new()),
            Format::Csv if columns.is_empty() => {
                let what = "this answer has no columns, so there is no CSV of it".to_owned();
                return Err(Trouble::Here(what, "use --output jsonl".to_owned()));
            }
            Format::Csv | Format::Jsonl | Format::Lines => Kept::Nothing,
            Format::Nagios | Format::Prometheus | Format::Junit => {
                let what = "only `check` has an answer in this form".to_owned();
                return Err(Trouble::Here(what, "use --output json".to_owned()));
            }
        };
        let by_column = !look.columns.is_empty();
        let answers = Answers { desk, labels, columns, by_column, sort, kept };
        if desk.format == Format::Csv {
            let fields = answers.columns.iter().map(|column| Value::from(column.field));
            let head: Vec<Value> =
                [Value::from("host")].into_iter().chain(fields).chain([Value::from("failure")]).collect();
            desk.print(&csv::line(&head))?;
        }
        Ok(answers)
    }

    /// Whether it prints before the end.
    pub(super) fn streams(&self) -> bool {
        matches!(self.kept, Kept::Nothing)
    }

    /// One more has answered, or has not.
    pub(super) fn take(&mut self, index: usize, outcome: Result<T, Failure>) -> Result<(), Trouble> {
        let host = self.labels[index].as_str();
        let cells = |answer: &T| self.columns.iter().map(|column| (column.cell)(answer)).collect::<Vec<_>>();
        match (&mut self.kept, outcome) {
            (Kept::Outcomes(all), outcome) => all.push((index, outcome)),
            (Kept::Nothing, outcome) if self.desk.format == Format::Jsonl => {
                self.desk.print(&json::line(T::SCHEMA, &json::Entry::of(host, &outcome)))?;
            }
            (Kept::Nothing, outcome) if self.desk.format == Format::Csv => {
                let (values, failure) = match &outcome {
                    Ok(answer) => (cells(answer).into_iter().map(|cell| cell.value).collect(), Value::Null),
                    Err(failure) => (vec![Value::Null; self.columns.len()], failure.in_one_line().into()),
                };
                let row = [Value::from(host)].into_iter().chain(values).chain([failure]);
                self.desk.print(&csv::line(&row.collect::<Vec<_>>()))?;
            }
            // Who did not answer is told of at the end.
            (_, Err(_)) => {}
            (Kept::Nothing, Ok(_)) if T::IS_PRINTED => {}
            (Kept::Nothing, Ok(answer)) => {
                let text = answer.table(host);
                let lines = text.lines().map(|line| format!("{}: {line}\n", plain(host)));
                self.desk.print(&lines.collect::<String>())?;
            }
            (Kept::Rows(all), Ok(answer)) => all.push((index, cells(&answer))),
            (Kept::Texts(all), Ok(answer)) => all.push((index, answer.among(host))),
            (Kept::Folded(all), Ok(answer)) => {
                let text = match self.by_column {
                    true => in_words(&self.columns, &cells(&answer)),
                    // Whose it is must not make it another answer.
                    false if T::SAYS_WHOSE => answer.among(host).replace(host, "it"),
                    false => answer.table(""),
                };
                all.take(index, text);
            }
        }
        Ok(())
    }

    /// All have been heard; those that are shown at the end are shown in the order in which they were named, or sorted.
    pub(super) fn end(self, tally: &Tally) -> Result<(), Trouble> {
        let (desk, labels) = (self.desk, self.labels);
        match self.kept {
            Kept::Nothing if desk.format == Format::Jsonl => {
                #[derive(Serialize)]
                struct Last<T> {
                    summary: T,
                }
                let summary = Last { summary: tally.summary(labels) };
                desk.print(&json::line("rollcall.summary/1", &summary))
            }
            Kept::Nothing => Ok(()),
            Kept::Rows(all) => desk.print(&rows(all, &self.columns, self.sort, labels)),
            Kept::Texts(mut all) => {
                all.sort_unstable_by_key(|(index, _)| *index);
                all.iter().try_for_each(|(_, text)| desk.print(text))
            }
            Kept::Folded(all) => desk.print(&harmless(&all.text(labels))),
            Kept::Outcomes(mut all) => {
                all.sort_unstable_by_key(|(index, _)| *index);
                let entries: Vec<_> =
                    all.iter().map(|(index, outcome)| json::Entry::of(&labels[*index], outcome)).collect();
                desk.print(&json::document_of_many(T::SCHEMA, &entries, &tally.summary(labels)))
            }
        }
    }
}

/// The columns that were chosen, or the usual ones.
fn chosen<T>(all: Vec<Column<T>>, names: &[String]) -> Result<Vec<Column<T>>, Trouble> {
    if names.is_empty() {
        return Ok(all.into_iter().filter(|column| column.is_usual).collect());
    }
    let known: Vec<&str> = all.iter().map(|column| column.name).collect();
    let unknown = |name: &str| {
        let hint = match known.is_empty() {
            true => "this answer has no columns; --output fold shows it".to_owned(),
            false => format!("there are {}", known.join(", ")),
        };
        Trouble::Here(format!("there is no column `{}`", name.escape_debug()), hint)
    };
    let is = |column: &Column<T>, name: &str| column.name == name || column.field == name;
    if let Some(name) = names.iter().find(|name| !all.iter().any(|column| is(column, name))) {
        return Err(unknown(name));
    }
    let mut all: Vec<Option<Column<T>>> = all.into_iter().map(Some).collect();
    let mut take = |name: &String| {
        all.iter_mut().find(|column| column.as_ref().is_some_and(|column| is(column, name)))?.take()
    };
    Ok(names.iter().filter_map(&mut take).collect())
}

fn sort_by<T>(columns: &[Column<T>], name: &str) -> Result<(usize, bool), Trouble> {
    let (name, falls) = name.strip_prefix('-').map_or((name, false), |name| (name, true));
    let found = columns.iter().position(|column| column.name == name || column.field == name);
    found.map(|at| (at, falls)).ok_or_else(|| {
        let shown: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let hint = format!("sort by one of the columns that are shown: {}", shown.join(", "));
        Trouble::Here(format!("there is no column `{}` to sort by", name.escape_debug()), hint)
    })
}

/// A row for each host.
fn rows<T>(
    mut all: Vec<(usize, Vec<Cell>)>,
    columns: &[Column<T>],
    sort: Option<(usize, bool)>,
    labels: &[String],
) -> String {
    all.sort_by_key(|(index, _)| *index);
    if let Some((at, falls)) = sort {
        all.sort_by(|(_, one), (_, other)| {
            let order = compare(&one[at].value, &other[at].value);
            if falls { order.reverse() } else { order }
        });
    }
    let is_number = |at: &usize| all.iter().any(|(_, cells)| cells[*at].is_number());
    let right: Vec<usize> = (0..columns.len()).filter(is_number).map(|at| at + 1).collect();
    let head: Vec<&str> = ["host"].into_iter().chain(columns.iter().map(|column| column.name)).collect();
    let row = |(index, cells): &(usize, Vec<Cell>)| {
        [labels[*index].clone()].into_iter().chain(cells.iter().map(|cell| cell.shown.clone())).collect()
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { all_columns(Some(&head), &rows, &right) }
}

/// What was not told comes last, whichever way it is sorted upwards.
fn compare(one: &Value, other: &Value) -> Ordering {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => one.is_null().cmp(&other.is_null()).then_with(|| one.as_str().cmp(&other.as_str())),
    }
}

/// The same as a row, when there is one for all.
fn in_words<T>(columns: &[Column<T>], cells: &[Cell]) -> String {
    let rows: Vec<Vec<String>> = columns
        .iter()
        .zip(cells)
        .map(|(column, cell)| vec![column.name.to_owned(), cell.shown.clone()])
        .collect();
    all_columns(None, &rows, &[])
}
