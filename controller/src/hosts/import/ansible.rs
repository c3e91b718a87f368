//! What an Ansible inventory says, whichever way it is written: hosts, their variables, and groups within groups.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv6Addr;

use super::{Catch, ranges};
use crate::hosts::demand_word;

/// The group of everybody.
const ALL: &str = "all";

/// Groups that one machine can be in through others. More are no order of things.
const MOST_ANCESTORS: usize = 100;

const PORT_IS_OF_SSH: &str = "ansible_port, or a port behind a host, is that of ssh, and is not taken";

/// An inventory while it is read.
pub(super) struct Site<'a> {
    pub(super) catch: Catch,
    groups: HashMap<String, Group>,
    /// Variables that become labels.
    wanted: &'a [String],
}

/// What is known of a group.
#[derive(Default)]
struct Group {
    line: usize,
    /// The groups that it is a part of.
    parents: BTreeSet<String>,
    /// What is said of all in it, as far as it becomes labels.
    labels: BTreeMap<String, String>,
}

/// What is said of a host or a group: name, value.
pub(super) type Variable = (String, String);

impl<'a> Site<'a> {
    pub(super) fn new(wanted: &'a [String]) -> Site<'a> {
        Site { catch: Catch::default(), groups: HashMap::new(), wanted }
    }

    pub(super) fn wants_labels(&self) -> bool {
        !self.wanted.is_empty()
    }

    pub(super) fn nest(&mut self, line: usize, child: &str, parent: &str) {
        self.group(line, parent);
        self.group(line, child).parents.insert(parent.to_owned());
    }

    /// Takes what is said of a group, where it is wanted.
    pub(super) fn say(&mut self, line: usize, group: &str, (key, value): Variable) {
        if self.wanted.contains(&key) {
            self.group(line, group).labels.insert(key, value);
        }
    }

    fn group(&mut self, line: usize, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_insert_with(|| Group { line, ..Group::default() })
    }

    /// Takes all hosts that a pattern means into a group.
    pub(super) fn hosts(
        &mut self,
        line: usize,
        pattern: &str,
        group: &str,
        said: &[Variable],
    ) -> Result<(), String> {
        self.group(line, group);
        let (pattern, has_port) = without_port(pattern);
        let is_port = |key: &str| matches!(key, "ansible_port" | "ansible_ssh_port");
        if has_port || said.iter().any(|(key, _)| is_port(key)) {
            self.catch.remark_once(line, PORT_IS_OF_SSH);
        }
        let names = match pattern.parse::<Ipv6Addr>() {
            Ok(address) => vec![address.to_string()],
            Err(_) => match ranges::expand(pattern) {
                Ok(names) => names,
                Err(fault) => {
                    self.catch.leave_out(line, format!("`{}`: {fault}", pattern.escape_debug()));
                    return Ok(());
                }
            },
        };
        let wanted = self.wanted;
        for name in names {
            self.catch.spend(line, group.len())?;
            self.catch.meet(line, &name)?.groups.insert(group.to_owned());
            for (key, value) in said {
                let is_address = matches!(key.as_str(), "ansible_host" | "ansible_ssh_host");
                if !is_address && !wanted.contains(key) {
                    continue;
                }
                self.catch.spend(line, key.len() + value.len())?;
                let found = self.catch.meet(line, &name)?;
                match is_address {
                    true => found.addresses = vec![value.clone()],
                    false => drop(found.labels.insert(key.clone(), value.clone())),
                }
            }
        }
        Ok(())
    }

    /// Puts every machine into the groups that its groups are parts of, and takes what is said of all in them.
    pub(super) fn finish(self) -> Result<Catch, String> {
        let Site { mut catch, groups, .. } = self;
        let mut all: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for (name, group) in &groups {
            all.insert(name, with_ancestors(name, group.line, &groups, &mut catch)?);
        }
        let mut strange: Vec<(usize, &str)> = groups
            .iter()
            .filter(|(name, _)| demand_word(name).is_err())
            .map(|(name, group)| (group.line, name.as_str()))
            .collect();
        strange.sort_unstable();
        for (line, name) in strange {
            let name = name.escape_debug();
            catch.remark(
                line,
                format!("group `{name}` is left out, for a group is named by a-z, 0-9, -, _ and ."),
            );
        }
        let mut depths = HashMap::new();
        for at in 0..catch.found.len() {
            let direct = std::mem::take(&mut catch.found[at].groups);
            let meant = direct.iter().filter_map(|group| all.get(group.as_str())).flatten();
            let mut meant: BTreeSet<&str> = meant.copied().chain([ALL]).collect();
            let line = catch.found[at].line;
            for (key, value) in labels(&meant, &groups, &mut depths) {
                if !catch.found[at].labels.contains_key(key) {
                    catch.spend(line, key.len() + value.len())?;
                    catch.found[at].labels.insert(key.clone(), value.clone());
                }
            }
            // That somebody is in `all` says nothing.
            meant.retain(|group| !matches!(*group, ALL | "ungrouped") && demand_word(group).is_ok());
            catch.spend(line, meant.iter().map(|group| group.len() + 1).sum())?;
            catch.found[at].groups = meant.into_iter().map(str::to_owned).collect();
        }
        Ok(catch)
    }
}

/// What is said of all in these groups; of two that say otherwise, as Ansible has it, the deeper one comes first.
fn labels<'g>(
    meant: &BTreeSet<&'g str>,
    groups: &'g HashMap<String, Group>,
    depths: &mut HashMap<&'g str, usize>,
) -> impl Iterator<Item = (&'g String, &'g String)> {
    let said = meant.iter().filter_map(|name| groups.get_key_value(*name));
    let mut said: Vec<_> = said.filter(|(_, group)| !group.labels.is_empty()).collect();
    said.sort_by_cached_key(|(name, _)| std::cmp::Reverse((depth(name, groups, depths), name.as_str())));
    said.into_iter().flat_map(|(_, group)| &group.labels)
}

/// How many groups lie around this one, by the longest way out to `all`.
fn depth<'g>(
    name: &'g str,
    groups: &'g HashMap<String, Group>,
    depths: &mut HashMap<&'g str, usize>,
) -> usize {
    if let Some(known) = depths.get(name) {
        return *known;
    }
    // A circle of groups ends here.
    depths.insert(name, 0);
    let parents = groups.get(name).into_iter().flat_map(|group| &group.parents);
    let around = parents.map(|parent| depth(parent, groups, depths)).max();
    let depth = around.map_or(usize::from(name != ALL), |around| around + 1);
    depths.insert(name, depth);
    depth
}

/// A group and all that it is a part of.
fn with_ancestors<'g>(
    name: &'g str,
    line: usize,
    groups: &'g HashMap<String, Group>,
    catch: &mut Catch,
) -> Result<BTreeSet<&'g str>, String> {
    let mut seen = BTreeSet::from([name]);
    let mut open = vec![name];
    while let Some(group) = open.pop() {
        for parent in groups.get(group).into_iter().flat_map(|group| &group.parents) {
            catch.spend(line, 0)?;
            if seen.insert(parent) {
                open.push(parent);
            }
            if seen.len() > MOST_ANCESTORS {
                let name = name.escape_debug();
                return Err(format!(
                    "line {line}: group `{name}` is a part of more than {MOST_ANCESTORS} others"
                ));
            }
        }
    }
    Ok(seen)
}

/// A host without the port behind it, and whether there was one.
fn without_port(text: &str) -> (&str, bool) {
    if text.parse::<Ipv6Addr>().is_ok() {
        return (text, false);
    }
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return (address, !rest.is_empty());
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host, true)
        }
        _ => (text, false),
    }
}
