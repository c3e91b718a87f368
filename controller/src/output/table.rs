//! Columns for eyes.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::output::human::plain;

/// Rows in aligned columns, two spaces in; `right` names the columns of numbers.
pub fn columns(head: Option<&[&str]>, rows: &[Vec<String>], right: &[usize]) -> String {
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
