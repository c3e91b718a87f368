//! The same answer of many hosts under one header, as `clush -b` does it.

use std::collections::HashMap;

use crate::output::human::grouped;
use crate::selection::fold;

const RULE: &str = "---------------";

/// Answers that were heard so far, each once.
#[derive(Debug, Default)]
pub struct Folded {
    hosts_of: HashMap<String, Vec<usize>>,
}

impl Folded {
    /// One more.
    pub fn take(&mut self, host: usize, text: String) {
        self.hosts_of.entry(text).or_default().push(host);
    }

    /// All of them, by the first host of each.
    pub fn text(self, labels: &[String]) -> String {
        let mut groups: Vec<(String, Vec<usize>)> = self.hosts_of.into_iter().collect();
        groups.iter_mut().for_each(|(_, hosts)| hosts.sort_unstable());
        groups.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
        let mut text = String::new();
        for (body, hosts) in groups {
            let names = fold(hosts.iter().map(|host| labels[*host].as_str()));
            let count = if hosts.len() == 1 { String::new() } else { format!(" ({})", grouped(hosts.len())) };
            text += &format!("{RULE}\n{names}{count}\n{RULE}\n{body}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_answer_stands_once() {
        let labels: Vec<String> = (1..=5).map(|number| format!("web{number}")).collect();
        let mut folded = Folded::default();
        for (host, text) in [(4, "a\n"), (1, "b\n"), (0, "a\n"), (2, "a\n")] {
            folded.take(host, text.to_owned());
        }
        let expected = "---------------\nweb[1,3,5] (3)\n---------------\na\n---------------\nweb2\n---------------\nb\n";
        assert_eq!(folded.text(&labels), expected);
    }
}
