//! What is made of one host's answer as soon as it is there: words, or a row. From here on it does not matter what was asked.

use super::which::Look;
use crate::error::{Failure, Trouble};
use crate::output::human::behind;
use crate::output::{Cell, Column, Format, Show, json, table};

/// How answers of one kind are said.
pub(super) struct Form<T> {
    format: Format,
    columns: Vec<Column<T>>,
    /// Whether answers are the same when these columns are.
    by_column: bool,
}

/// One host's answer.
pub(super) struct Said {
    pub(super) part: Part,
    /// What is counted of it, where it is no answer that anybody hopes for.
    pub(super) odd: Option<String>,
    /// What is counted in place of that, where something was in the way.
    pub(super) failure: Option<Failure>,
}

/// What is left of an answer, by what becomes of it.
pub(super) enum Part {
    /// It is elsewhere already.
    None,
    /// It is printed as it comes.
    AtOnce(String),
    /// It is one row of a table.
    Row(Vec<Cell>),
    /// It stands among the others'.
    Among(String),
    /// It stands once for all who say the same.
    Same(String),
    /// It is an entry of one document.
    Entry(String),
}

impl Said {
    pub(super) fn of<T: Show>(part: Part, answer: &T) -> Said {
        Said { part, odd: answer.odd(), failure: answer.failure().cloned() }
    }
}

impl<T: Show> Form<T> {
    pub(super) fn new(format: Format, look: &Look) -> Result<Form<T>, Trouble> {
        match format {
            Format::Csv if T::columns().is_empty() => {
                let what = "this answer has no columns, so there is no CSV of it".to_owned();
                return Err(Trouble::Here(what, "use --output jsonl".to_owned()));
            }
            Format::Nagios | Format::Prometheus | Format::Junit => {
                let what = "only `check` has an answer in this form".to_owned();
                return Err(Trouble::Here(what, "use --output json".to_owned()));
            }
            Format::Table => {}
            _ if look.sort.is_some() => {
                let what = "--sort is for the rows of a table".to_owned();
                return Err(Trouble::Here(what, "leave it out, or sort what comes out".to_owned()));
            }
            _ => {}
        }
        let mut columns = chosen(T::columns(), &look.columns)?;
        // What has no row when nobody asks for one has all of it where somebody does.
        let has_a_row = columns.iter().any(|column| column.is_usual);
        let is_asked_for = format == Format::Csv || look.sort.is_some();
        if look.columns.is_empty() && (has_a_row || !is_asked_for) {
            columns.retain(|column| column.is_usual);
        }
        Ok(Form { format, columns, by_column: !look.columns.is_empty() })
    }

    /// Above each column: for eyes, and for programs.
    pub(super) fn heads(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.columns.iter().map(|column| (column.name, column.field))
    }

    /// Whether each answer is printed before the end.
    pub(super) fn streams(&self) -> bool {
        match self.format {
            Format::Csv | Format::Jsonl | Format::Lines => true,
            Format::Table => T::IS_PRINTED,
            _ => false,
        }
    }

    pub(super) fn say(&self, host: &str, answer: &T) -> Said {
        Said::of(self.part(host, answer), answer)
    }

    fn part(&self, host: &str, answer: &T) -> Part {
        match self.format {
            Format::Table | Format::Lines if T::IS_PRINTED => Part::None,
            Format::Json => Part::Entry(json::of_many::entry(&json::Entry::answer(host, answer))),
            Format::Jsonl => Part::AtOnce(json::line(T::SCHEMA, &json::Entry::answer(host, answer))),
            Format::Csv => {
                let failure = answer.failure().map_or_else(Cell::none, |it| Cell::text(&it.in_one_line()));
                Part::Row(self.cells(answer).into_iter().chain([failure]).collect())
            }
            Format::Table if self.by_column || !self.columns.is_empty() => Part::Row(self.cells(answer)),
            Format::Table if T::SAYS_WHOSE => Part::Among(answer.among(host)),
            Format::Lines => Part::AtOnce(behind(host, &answer.table(host))),
            _ if self.by_column => Part::Same(self.in_words(&self.cells(answer))),
            // Whose it is must not make it another answer.
            _ if T::SAYS_WHOSE => Part::Same(answer.table("it")),
            _ => Part::Same(answer.table("")),
        }
    }

    fn cells(&self, answer: &T) -> Vec<Cell> {
        self.columns.iter().map(|column| (column.cell)(answer)).collect()
    }

    /// The same as a row, when there is one for all.
    fn in_words(&self, cells: &[Cell]) -> String {
        let heads = self.heads().map(|(name, _)| name.to_owned());
        let rows: Vec<Vec<String>> =
            heads.zip(cells).map(|(head, cell)| vec![head, cell.shown.clone()]).collect();
        table::all_columns(None, &rows, &[])
    }
}

/// The columns that were chosen, in that order; all of them where nobody chooses.
fn chosen<T>(mut all: Vec<Column<T>>, names: &[String]) -> Result<Vec<Column<T>>, Trouble> {
    if names.is_empty() {
        return Ok(all);
    }
    let known: Vec<&str> = all.iter().map(|column| column.name).collect();
    let known = known.join(", ");
    let mut columns = Vec::new();
    // Whose row it is always stands in front.
    for name in names.iter().map(|name| name.trim()).filter(|name| *name != HOST) {
        let is_it = |column: &Column<T>| [column.name, column.field].contains(&name);
        match all.iter().position(is_it) {
            Some(at) => columns.push(all.remove(at)),
            None if columns.iter().any(is_it) => {}
            None => {
                let hint = match known.as_str() {
                    "" => "this answer has no columns; --output fold shows it".to_owned(),
                    known => format!("there are {known}"),
                };
                return Err(Trouble::Here(format!("there is no column `{}`", name.escape_debug()), hint));
            }
        }
    }
    Ok(columns)
}

/// The column that says whose row it is.
pub(super) const HOST: &str = "host";

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Mails(u8);

    impl Show for Mails {
        const SCHEMA: &'static str = "mails/1";
        const SAYS_WHOSE: bool = true;

        fn table(&self, host: &str) -> String {
            format!("{host} holds {} mails\n", self.0)
        }
    }

    #[test]
    fn whose_it_is_makes_no_other_answer_and_what_it_says_does() {
        let form = Form::new(Format::Fold, &Look::default()).unwrap();
        let folded = |host, mails| match form.say(host, &Mails(mails)).part {
            Part::Same(text) => text,
            _ => panic!("this is not folded"),
        };
        assert_eq!(folded("mail", 3), "it holds 3 mails\n");
        assert_eq!(folded("web-1", 3), folded("mail", 3));
        assert_ne!(folded("web-1", 4), folded("mail", 3));
    }
}
