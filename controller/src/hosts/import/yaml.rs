//! An Ansible inventory in YAML.
//!
//! It is read as a stream of events and never becomes a tree, and what stands behind an alias is never repeated: a text
//! costs what it is long.

use saphyr_parser::{Event, Parser, StrInput};

use super::Catch;
use super::ansible::{Site, Variable};

/// Groups within groups.
const MOST_LEVELS: usize = 32;

/// What comes next in the text.
enum Node {
    Word(String),
    /// A mapping: keys and values in turn, up to an end.
    Map,
    List,
    /// Something that stands elsewhere.
    Alias,
    End,
}

struct Reader<'t, 'l> {
    events: Parser<'t, StrInput<'t>>,
    /// Where the last node stands.
    line: usize,
    site: Site<'l>,
}

pub(super) fn read(text: &str, labels: &[String]) -> Result<Catch, String> {
    let mut reader = Reader { events: Parser::new_from_str(text), line: 0, site: Site::new(labels) };
    match reader.next()? {
        Node::Map => while reader.group(None, 1)? {},
        Node::End => {}
        Node::Word(word) if is_nothing(&word) => {}
        _ => return Err(format!("line {}: an inventory begins with a group, as in `all:`", reader.line)),
    }
    // Whoever wrote more than one would miss machines.
    if !matches!(reader.next()?, Node::End) {
        return Err(format!(
            "line {}: a second document begins here; import each from a file of its own",
            reader.line
        ));
    }
    reader.site.finish()
}

fn is_nothing(word: &str) -> bool {
    matches!(word, "" | "~" | "null")
}

impl Reader<'_, '_> {
    fn next(&mut self) -> Result<Node, String> {
        loop {
            let event = match self.events.next_event() {
                None => return Ok(Node::End),
                Some(Err(error)) => {
                    return Err(format!("line {}: this is no YAML: {}", error.marker().line(), error.info()));
                }
                Some(Ok((event, place))) => {
                    self.line = place.start.line();
                    event
                }
            };
            return Ok(match event {
                Event::Scalar(word, ..) => Node::Word(word.into_owned()),
                Event::MappingStart(..) => Node::Map,
                Event::SequenceStart(..) => Node::List,
                Event::Alias(_) => Node::Alias,
                Event::MappingEnd | Event::SequenceEnd | Event::StreamEnd => Node::End,
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {
                    continue;
                }
            });
        }
    }

    /// Goes to the end of what has begun with this.
    fn pass(&mut self, node: &Node) -> Result<(), String> {
        let mut open = usize::from(matches!(node, Node::Map | Node::List));
        while open > 0 {
            match self.next()? {
                Node::Map | Node::List => open += 1,
                Node::End => open -= 1,
                Node::Word(_) | Node::Alias => {}
            }
        }
        Ok(())
    }

    /// The next key of a mapping, unless it ends. Keys that are no words say nothing to anybody.
    fn key(&mut self) -> Result<Option<String>, String> {
        loop {
            match self.next()? {
                Node::End => return Ok(None),
                Node::Word(word) => return Ok(Some(word)),
                strange => {
                    self.site.catch.leave_out(self.line, "a key must be a word");
                    self.pass(&strange)?;
                    let value = self.next()?;
                    self.pass(&value)?;
                }
            }
        }
    }

    /// Goes into what a key means, which must be a mapping; says so where it is anything else.
    fn enter(&mut self, key: &str) -> Result<bool, String> {
        let value = self.next()?;
        match &value {
            Node::Map => return Ok(true),
            Node::Word(word) if is_nothing(word) => {}
            _ => {
                let key = key.escape_debug();
                let what = match value {
                    Node::Alias => format!("an alias in `{key}` is not followed"),
                    _ => format!("`{key}` holds no mapping, such as `NAME:` a line"),
                };
                self.site.catch.leave_out(self.line, what);
            }
        }
        self.pass(&value)?;
        Ok(false)
    }

    /// The next group of a mapping, unless it ends.
    fn group(&mut self, parent: Option<&str>, level: usize) -> Result<bool, String> {
        let Some(name) = self.key()? else { return Ok(false) };
        if level > MOST_LEVELS {
            return Err(format!(
                "line {}: more than {MOST_LEVELS} groups lie within each other here",
                self.line
            ));
        }
        if let Some(parent) = parent {
            self.site.nest(self.line, &name, parent);
        }
        if !self.enter(&name)? {
            return Ok(true);
        }
        while let Some(key) = self.key()? {
            match key.as_str() {
                "hosts" => self.hosts(&name)?,
                "children" => {
                    if self.enter(&key)? {
                        while self.group(Some(&name), level + 1)? {}
                    }
                }
                "vars" => self.said_of(&name)?,
                _ => {
                    let key = key.escape_debug();
                    let what = format!("`{key}` is none of hosts, children and vars, and left out");
                    self.site.catch.remark(self.line, what);
                    let value = self.next()?;
                    self.pass(&value)?;
                }
            }
        }
        Ok(true)
    }

    fn hosts(&mut self, group: &str) -> Result<(), String> {
        if !self.enter("hosts")? {
            return Ok(());
        }
        while let Some(pattern) = self.key()? {
            let line = self.line;
            let said = if self.enter(&pattern)? { self.variables(&pattern)? } else { Vec::new() };
            self.site.hosts(line, &pattern, group, &said)?;
        }
        Ok(())
    }

    /// What is said of all in a group. Where nobody wants that, no word is lost on it.
    fn said_of(&mut self, group: &str) -> Result<(), String> {
        let line = self.line;
        match self.next()? {
            Node::Map if self.site.wants_labels() => {
                self.variables(group)?.into_iter().for_each(|said| self.site.say(line, group, said));
                Ok(())
            }
            Node::Alias if self.site.wants_labels() => {
                self.site.catch.remark(line, "an alias in `vars` is not followed");
                Ok(())
            }
            other => self.pass(&other),
        }
    }

    fn variables(&mut self, whose: &str) -> Result<Vec<Variable>, String> {
        let mut said = Vec::new();
        while let Some(key) = self.key()? {
            match self.next()? {
                Node::Word(value) => said.push((key, value)),
                Node::Alias => {
                    let whose = whose.escape_debug();
                    self.site.catch.remark(self.line, format!("an alias at {whose} is not followed"));
                }
                other => self.pass(&other)?,
            }
        }
        Ok(said)
    }
}
