//! Lists of hosts, from files and from standard input: a selection a line.

use std::path::Path;

use crate::error::Trouble;
use crate::input;
use crate::selection::{self, Fault};

/// What was typed, and what stands in lists.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) all: Vec<String>,
    lists: Vec<List>,
}

#[derive(Debug)]
struct List {
    name: String,
    /// Which of all texts is its first.
    first: usize,
    /// In which line each of its texts stands.
    lines: Vec<usize>,
}

impl Texts {
    pub(super) fn type_in(&mut self, text: &str) {
        self.all.push(text.to_owned());
    }

    pub(super) fn read(&mut self, file: &Path) -> Result<(), Trouble> {
        let text = input::text(file).map_err(|fault| Trouble::Here(fault, String::new()))?;
        let mut list = List { name: input::called(file), first: self.all.len(), lines: Vec::new() };
        for (number, line) in text.lines().enumerate() {
            for text in selection::lines(line) {
                self.all.push(text.to_owned());
                list.lines.push(number + 1);
            }
        }
        self.lists.push(list);
        Ok(())
    }

    /// What is wrong, and where it stands.
    pub(super) fn told(&self, fault: &Fault) -> String {
        let at = self.all.iter().position(|text| *text == fault.text);
        let list = at.and_then(|at| {
            let list = self.lists.iter().rfind(|list| list.first <= at)?;
            Some((list, list.lines.get(at - list.first)?))
        });
        match list {
            Some((list, line)) => format!("{}, line {line}: {fault}", list.name),
            None => fault.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_fault_in_a_list_is_told_with_its_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"# mine\nweb-1 # first\n\nweb[\n").unwrap();
        let mut texts = Texts::default();
        texts.type_in("db-1");
        texts.read(file.path()).unwrap();
        texts.type_in("web-2");
        assert_eq!(texts.all, ["db-1", "web-1", "web[", "web-2"]);
        let fault = |text: &str| Fault { text: text.to_owned(), at: 0, what: "no".to_owned() };
        let name = file.path().display().to_string();
        assert_eq!(texts.told(&fault("web[")), format!("{name}, line 4: `web[`, at character 1: no"));
        assert_eq!(texts.told(&fault("web-2")), "`web-2`, at character 1: no");
        assert_eq!(texts.told(&fault("db-1")), "`db-1`, at character 1: no");
    }
}
