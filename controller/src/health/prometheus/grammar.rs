//! A checker of the text format by its own grammar, written apart from what writes it.

use std::collections::BTreeSet;

/// Says what is wrong with a text, and in which line.
pub(super) fn check(text: &str) -> Result<(), String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut reader = Reader::default();
    text.split_terminator('\n')
        .try_for_each(|line| reader.line(line).map_err(|why| format!("{why}: {line:?}")))
}

#[derive(Default)]
struct Reader {
    /// The metric whose samples may follow.
    typed: String,
    helped: BTreeSet<String>,
    seen: BTreeSet<(String, Vec<(String, String)>)>,
    done: BTreeSet<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("help without text")?;
            if !is_name(name) || help.is_empty() || !self.helped.insert(name.to_owned()) {
                return Err("help twice, or of nothing".to_owned());
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("type without kind")?;
            if !matches!(kind, "gauge" | "counter" | "untyped") || !self.helped.contains(name) {
                return Err("no kind, or no help before it".to_owned());
            }
            if !self.done.insert(name.to_owned()) {
                return Err("type twice".to_owned());
            }
            name.clone_into(&mut self.typed);
        } else {
            self.sample(line)?;
        }
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let (name, rest) = line.split_once('{').ok_or("no labels")?;
        if !is_name(name) || name != self.typed {
            return Err("not beside its type".to_owned());
        }
        let (labels, rest) = labels(rest)?;
        let names: BTreeSet<&String> = labels.iter().map(|(label, _)| label).collect();
        if names.len() != labels.len() {
            return Err("a label twice".to_owned());
        }
        let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
        let is_number = value.parse::<f64>().is_ok() && value.chars().all(|c| "+-.e0123456789".contains(c));
        if !is_number {
            return Err("no value".to_owned());
        }
        let mut sorted = labels;
        sorted.sort();
        if !self.seen.insert((name.to_owned(), sorted)) {
            return Err("the same labels twice".to_owned());
        }
        Ok(())
    }
}

type Labels = Vec<(String, String)>;

/// Reads up to the closing brace.
fn labels(text: &str) -> Result<(Labels, &str), String> {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        let (label, behind) = rest.split_once("=\"").ok_or("no label")?;
        if !is_name(label) || label.contains(':') {
            return Err(format!("no name of a label: {label:?}"));
        }
        let (mut value, mut characters) = (String::new(), behind.chars());
        loop {
            match characters.next().ok_or("a value that does not end")? {
                '"' => break,
                '\\' => match characters.next() {
                    Some('n') => value.push('\n'),
                    Some(c @ ('\\' | '"')) => value.push(c),
                    other => return Err(format!("no escape: {other:?}")),
                },
                c => value.push(c),
            }
        }
        found.push((label.to_owned(), value));
        rest = characters.as_str();
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok((found, rest.strip_prefix('}').ok_or("no closing brace")?)),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

#[test]
fn it_finds_what_is_wrong() {
    let good = "# HELP a x\n# TYPE a gauge\na{b=\"c\\\"\\\\\\n\",d=\"\"} 0.5\na{b=\"d\"} -1\n";
    assert_eq!(check(good), Ok(()));
    for bad in [
        "# HELP a x\n# TYPE a gauge\na{b=\"c\"} 1",
        "a{b=\"c\"} 1\n",
        "# TYPE a gauge\n",
        "# HELP a x\n# TYPE a gauge\n# TYPE a gauge\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"c\"} 1\na{b=\"c\"} 2\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"c\",b=\"d\"} 1\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"c\\q\"} 1\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"c\n\"} 1\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"c\"} inf\n",
        "# HELP a x\n# TYPE a gauge\na{b:=\"c\"} 1\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"c\"}1\n",
        "# HELP a x\n# TYPE a nonsense\n",
    ] {
        assert!(check(bad).is_err(), "{bad:?}");
    }
}
