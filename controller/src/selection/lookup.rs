//! What words mean: names, or what is looked up.

use super::fault::{Fault, instead};
use super::names::Names;
use super::pattern::Pattern;
use super::ranges::enough;
use super::reader::{Operator, Reader};
use super::{Known, Last};

/// Globs in one selection; each looks at every name that is known.
const MOST_GLOBS: usize = 1000;

/// How deep groups may refer to groups.
const MOST_GROUPS: usize = 32;

/// Looks up all words of one selection, which have limits together.
pub(super) struct Lookup<'k, K> {
    known: &'k K,
    names: u128,
    globs: usize,
    /// Groups that are being looked up, each from within the one before.
    groups: Vec<String>,
    /// Words that were to take somebody out and took nobody; not those within groups, whose members come and go.
    pub(super) in_vain: Vec<String>,
}

impl<'k, K: Known> Lookup<'k, K> {
    pub(super) fn new(known: &'k K) -> Lookup<'k, K> {
        Lookup { known, names: 0, globs: 0, groups: Vec::new(), in_vain: Vec::new() }
    }

    pub(super) fn evaluate(&mut self, text: &str) -> Result<Names<'k, K>, Fault> {
        let mut reader = Reader::new(text)?;
        let mut names = Names::new(self.known);
        let mut operator = Some(Operator::And);
        while let Some(before) = operator {
            reader.word_begins()?;
            let from = reader.rest();
            let word = self.word(&mut reader)?;
            match before {
                Operator::And => names.unite(word),
                Operator::Without => {
                    if !names.remove(&word) && self.groups.is_empty() {
                        self.in_vain.push(from[..from.len() - reader.rest().len()].to_owned());
                    }
                }
                Operator::Both => names.intersect(&word),
                Operator::Either => names.differ(word),
            }
            operator = reader.operator();
        }
        Ok(names)
    }

    fn word(&mut self, reader: &mut Reader<'_>) -> Result<Vec<String>, Fault> {
        let start = *reader;
        let pattern = Pattern::read(reader)?;
        self.count(pattern.count, start)?;
        let mut all = Vec::new();
        for word in pattern.names() {
            match word.strip_prefix('@') {
                Some(group) => all.extend(self.group(group, start)?),
                None if word.contains(['*', '?']) => all.extend(self.glob(&word, start)?),
                None => all.push(word),
            }
        }
        Ok(all)
    }

    fn count(&mut self, names: u128, at: Reader<'_>) -> Result<(), Fault> {
        self.names += names;
        enough(self.names).map_err(|what| at.fault(what))
    }

    fn counted<N>(&mut self, names: Vec<N>, at: Reader<'_>) -> Result<Vec<N>, Fault> {
        self.count(names.len() as u128, at)?;
        Ok(names)
    }

    fn group(&mut self, name: &str, at: Reader<'_>) -> Result<Vec<String>, Fault> {
        let last = match name {
            "*" => {
                let all = self.known.names().map(str::to_owned).collect();
                return self.counted(all, at);
            }
            "last:failed" => self.known.last(Last::Failed),
            "last:ok" => self.known.last(Last::Ok),
            _ => return self.members(name, at),
        };
        self.counted(last.ok_or_else(|| at.fault("there was no run before, name hosts instead"))?, at)
    }

    fn members(&mut self, name: &str, at: Reader<'_>) -> Result<Vec<String>, Fault> {
        let Some(texts) = self.known.group(name) else {
            let mut groups = self.known.groups();
            groups.extend(["*", "last:failed", "last:ok"].map(str::to_owned));
            return Err(at.fault(format!("there is no such group, {}", instead(name, "@", &groups))));
        };
        if self.groups.iter().any(|open| open == name) {
            return Err(at.fault(format!("group @{name} is a part of itself")));
        }
        if self.groups.len() == MOST_GROUPS {
            return Err(at.fault(format!("more than {MOST_GROUPS} groups lie within each other here")));
        }
        self.groups.push(name.to_owned());
        let mut members = Names::new(self.known);
        for text in texts {
            let part = self.evaluate(&text).map_err(|fault| fault.within_group(name))?;
            members.unite(part.in_order());
        }
        self.groups.pop();
        Ok(members.in_order())
    }

    fn glob(&mut self, glob: &str, at: Reader<'_>) -> Result<Vec<String>, Fault> {
        self.globs += 1;
        if self.globs > MOST_GLOBS {
            return Err(at.fault(format!("a selection has at most {MOST_GLOBS} words with `*` or `?`")));
        }
        let known = self.known;
        let found: Vec<_> = known.names().filter(|name| fits(name.as_bytes(), glob.as_bytes())).collect();
        if found.is_empty() {
            return Err(at.fault("no host that is known by name fits this, write the name in full"));
        }
        Ok(self.counted(found, at)?.into_iter().map(str::to_owned).collect())
    }
}

/// Takes as little as it can for each `*`, and only ever goes back to the last one: more would never help.
fn fits(name: &[u8], glob: &[u8]) -> bool {
    let (mut in_name, mut in_glob) = (0, 0);
    let mut star = None;
    while in_name < name.len() {
        match (glob.get(in_glob), star) {
            (Some(b'*'), _) => {
                star = Some((in_name, in_glob));
                in_glob += 1;
            }
            (Some(wanted), _) if *wanted == b'?' || *wanted == name[in_name] => {
                in_name += 1;
                in_glob += 1;
            }
            (_, Some((from, at))) => {
                star = Some((from + 1, at));
                in_name = from + 1;
                in_glob = at + 1;
            }
            (_, None) => return false,
        }
    }
    glob[in_glob..].iter().all(|rest| *rest == b'*')
}
