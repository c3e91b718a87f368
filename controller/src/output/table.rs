//! Columns for eyes.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::output::human::plain;

/// Nobody reads more than this, and a hostile agent sends more than a terminal can bear.
const MAX_ROWS: usize = 200;

/// What a host sent, as rows in aligned columns, two spaces in; `right` names the columns of numbers.
pub fn columns(head: Option<&[&str]>, rows: &[Vec<String>], right: &[usize]) -> String {
    let mut text = all_columns(head, &rows[..rows.len().min(MAX_ROWS)], right);
    if rows.len() > MAX_ROWS {
        text += &format!("  and {} more; --output json has all of them\n", rows.len() - MAX_ROWS);
    }
    text
}

/// The same for what this desk knows by itself, however much it is.
pub fn all_columns(head: Option<&[&str]>, rows: &[Vec<String>], right: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(head) = head {
        table.set_header(head.to_vec());
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell).into_owned()));
    }
    for &column in right {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!(" {}\n", line.trim_end())).collect()
}
