//! What was tested, what failed, and what could not run: the last is never passed over in silence.

use crate::shell::{Fault, say};

#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: Vec<String>,
    not_run: Vec<String>,
}

impl Tally {
    /// Reads a line of `cargo test`.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let number = |label: &str| -> usize {
                let before = counts.split(label).next().and_then(|text| text.rsplit(' ').next());
                before.and_then(|number| number.parse().ok()).unwrap_or(0)
            };
            self.passed += number(" passed");
        }
        if let Some((name, "FAILED")) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            self.failed.push(name.to_owned());
        }
        if let Some((_, what)) = line.split_once("NOT RUN: ") {
            self.not_run.push(what.to_owned());
        }
    }

    pub(crate) fn passed(&mut self, name: &str) {
        say(&format!("test {name} ... ok"));
        self.passed += 1;
    }

    pub(crate) fn failed(&mut self, name: &str, fault: &str) {
        say(&format!("test {name} ... FAILED\n{fault}"));
        self.failed.push(name.to_owned());
    }

    pub(crate) fn not_run(&mut self, what: &str) {
        say(&format!("NOT RUN: {what}"));
        self.not_run.push(what.to_owned());
    }

    /// Says the closing lines.
    pub(crate) fn close(&self) -> Result<(), Fault> {
        say("");
        self.lines().iter().for_each(|line| say(line));
        if self.failed.is_empty() { Ok(()) } else { Err("some tests failed".to_owned()) }
    }

    fn lines(&self) -> Vec<String> {
        let not_run = self.not_run.iter().map(|what| format!("NOT RUN: {what}"));
        let failed = self.failed.iter().map(|name| format!("FAILED: {name}"));
        let counts = [
            format!("tests not run here: {}", self.not_run.len()),
            format!("{} passed, {} failed", self.passed, self.failed.len()),
        ];
        not_run.chain(failed).chain(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_lines_are_counted() {
        let mut tally = Tally::default();
        for line in [
            "test one::two ... ok",
            "test one::three ... FAILED",
            "NOT RUN: clocks need faketime",
            "test result: FAILED. 17 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            tally.read(line);
        }
        let lines = tally.lines();
        assert_eq!(lines[..2], ["NOT RUN: clocks need faketime", "FAILED: one::three"]);
        assert_eq!(lines[2..], ["tests not run here: 1", "22 passed, 1 failed"]);
    }
}
