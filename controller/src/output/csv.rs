//! CSV, as RFC 4180 has it: for a spreadsheet.

use serde_json::Value;

use crate::output::human::is_dangerous;

/// One line.
pub fn line(cells: impl IntoIterator<Item = Value>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    cells.join(",") + "\r\n"
}

fn cell(value: Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.chars().map(|c| if is_dangerous(c) { '\u{fffd}' } else { c }).collect(),
        other => return other.to_string(),
    };
    // A spreadsheet takes what begins so for a formula.
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    match text.contains(['"', ',', ' ', '\'']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_host_says_stays_in_its_cell() {
        let cells = [json!("web-1"), json!(1.5), json!(null), json!("a,\"b\"\r\nc"), json!("=cmd()")];
        assert_eq!(line(cells), "web-1,1.5,,\"a,\"\"b\"\"\u{fffd}\u{fffd}c\",\"'=cmd()\"\r\n");
    }
}
