//! Rows in the order of one of their columns.

use std::cmp::Ordering;

use serde_json::Value;

use crate::error::Trouble;
use crate::output::Cell;

/// By which column, and whether the largest comes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct By {
    column: usize,
    falls: bool,
}

impl By {
    /// `NAME`, or `-NAME` for the largest first.
    pub(super) fn column(heads: &[(&'static str, &'static str)], name: &str) -> Result<By, Trouble> {
        let (name, falls) = name.strip_prefix('-').map_or((name, false), |name| (name, true));
        let found = heads.iter().position(|(head, field)| *head == name || *field == name);
        found.map(|column| By { column, falls }).ok_or_else(|| {
            let shown: Vec<&str> = heads.iter().map(|(head, _)| *head).collect();
            let hint = format!("sort by one of the columns that are shown: {}", shown.join(", "));
            Trouble::Here(format!("there is no column `{}` to sort by", name.escape_debug()), hint)
        })
    }
}

/// Those that are equal stay as they were, and what was not told comes last either way.
pub(super) fn sort(rows: &mut [Vec<Cell>], By { column, falls }: By) {
    rows.sort_by(|one, other| {
        let (one, other) = (&one[column], &other[column]);
        let order = one.rank.cmp(&other.rank).then_with(|| compare(&one.value, &other.value));
        one.value.is_null().cmp(&other.value.is_null()).then(if falls { order.reverse() } else { order })
    });
}

fn compare(one: &Value, other: &Value) -> Ordering {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => naturally(one.as_str().unwrap_or_default(), other.as_str().unwrap_or_default()),
    }
}

/// As people sort: web-9 comes before web-10.
fn naturally(one: &str, other: &str) -> Ordering {
    pieces(one).cmp(pieces(other)).then_with(|| one.cmp(other))
}

/// Numbers by how long they are and then as text, which is by their size, however large; and single characters in between.
fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = match first.is_ascii_digit() {
            true => rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        let piece = if first.is_ascii_digit() { piece.trim_start_matches('0') } else { piece };
        Some((if first.is_ascii_digit() { piece.len() + 1 } else { usize::MAX }, piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_stand_as_people_sort() {
        let values =
            [json!("web-10"), json!(null), json!("web-9"), json!("db"), json!("web-9a"), json!("web-009")];
        let mut rows: Vec<Vec<Cell>> =
            values.iter().map(|value| vec![Cell::told(value.clone(), "")]).collect();
        let order = |rows: &[Vec<Cell>]| {
            rows.iter().map(|row| row[0].value.as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
        };
        sort(&mut rows, By { column: 0, falls: false });
        assert_eq!(order(&rows), ["db", "web-009", "web-9", "web-9a", "web-10", "-"]);
        sort(&mut rows, By { column: 0, falls: true });
        assert_eq!(order(&rows), ["web-10", "web-9a", "web-9", "web-009", "db", "-"]);
        assert!(By::column(&[("host", "host")], "-up").is_err());
    }
}
