//! What selections are looked up in: the inventory, and who answered the last run.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use super::last::Last;
use crate::error::Trouble;
use crate::home::Home;
use crate::hosts::{Host, Inventory, Machine};
use crate::selection::{self, Known};

/// Names, groups and labels.
pub(crate) struct Directory<'a> {
    inventory: &'a Inventory,
    home: &'a Home,
    /// What was met first that is damaged.
    fault: RefCell<Option<Trouble>>,
}

impl<'a> Directory<'a> {
    pub(crate) fn new(inventory: &'a Inventory, home: &'a Home) -> Directory<'a> {
        Directory { inventory, home, fault: RefCell::default() }
    }

    /// What is wrong with the files of the home, where something was met.
    pub(crate) fn fault(&self) -> Option<Trouble> {
        self.fault.take()
    }

    fn good<T>(&self, found: Result<T, String>) -> Option<T> {
        self.whole(found.map_err(|fault| self.home.damaged_hosts(&fault)))
    }

    fn whole<T>(&self, found: Result<T, Trouble>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(fault) => {
                self.fault.borrow_mut().get_or_insert(fault);
                None
            }
        }
    }

    fn machine(&self, host: &str) -> Option<Machine> {
        let (name, _) = Host::judge(host, self.inventory).ok()?.machine()?;
        self.good(self.inventory.machine(&name))?
    }

    fn all(&self) -> impl Iterator<Item = Machine> {
        self.inventory.machines().filter_map(|found| self.good(found)).map(|(_, machine)| machine)
    }
}

impl Known for Directory<'_> {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.inventory.names()
    }

    fn group(&self, name: &str) -> Option<Vec<String>> {
        let written = self.inventory.groups().get(name).cloned();
        let found = self.inventory.machines_with(name).filter_map(|found| self.good(found));
        let members = found.filter(|(_, machine)| machine.groups.contains(name));
        let all: Vec<String> = written.into_iter().chain(members.map(|(name, _)| name.to_owned())).collect();
        (!all.is_empty()).then_some(all)
    }

    fn groups(&self) -> Vec<String> {
        let written = self.inventory.groups().keys().cloned();
        let all: BTreeSet<String> = written.chain(self.all().flat_map(|machine| machine.groups)).collect();
        all.into_iter().collect()
    }

    fn last(&self, outcome: selection::Last) -> Option<Vec<String>> {
        let last = self.whole(Last::noted(self.home))??;
        let hosts = match outcome {
            selection::Last::Ok => &last.ok,
            selection::Last::Failed => &last.failed,
        };
        if hosts.is_empty() {
            return Some(Vec::new());
        }
        let names = selection::select(&[hosts], self);
        self.whole(names.map_err(|fault| Last::damaged(self.home, &fault.to_string())))
    }

    fn label(&self, host: &str, key: &str) -> Option<Cow<'_, str>> {
        self.machine(host)?.labels.remove(key).map(Cow::Owned)
    }

    fn label_keys(&self) -> Vec<String> {
        let all: BTreeSet<String> = self.all().flat_map(|machine| machine.labels.into_keys()).collect();
        all.into_iter().collect()
    }

    fn meaning(&self, name: &str) -> Option<String> {
        // As nearly all are written.
        if !name.contains(|c: char| c == ':' || c.is_ascii_uppercase()) {
            return None;
        }
        // What means nothing is told later.
        let meant = Host::judge(name, self.inventory).ok()?;
        let is_a_machine =
            |text: &str| Host::judge(text, self.inventory).is_ok_and(|it| it.machine().is_some());
        let meaning = match meant.to_string() {
            // An address in capitals is not the machine of that name.
            short if meant.machine().is_none() && is_a_machine(&short.to_ascii_lowercase()) => short,
            short => short.to_ascii_lowercase(),
        };
        (meaning != name).then_some(meaning)
    }
}
