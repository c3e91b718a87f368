//! Names in order of first appearance, each once, however it is written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Known;

/// Each operation costs what its other side is long, or what it throws away: a long row of them stays linear.
pub(super) struct Names<'k, K> {
    known: &'k K,
    /// By what they mean.
    places: HashMap<String, usize>,
    /// As they were written, where that is not what they mean. Few are, so it has no room for each.
    written: HashMap<String, String>,
    next: usize,
}

impl<'k, K: Known> Names<'k, K> {
    pub(super) fn new(known: &'k K) -> Names<'k, K> {
        Names { known, places: HashMap::new(), written: HashMap::new(), next: 0 }
    }

    pub(super) fn unite(&mut self, others: Vec<String>) {
        for name in others {
            let (meaning, written) = match self.known.meaning(&name) {
                Some(meaning) => (meaning, Some(name)),
                None => (name, None),
            };
            if let Entry::Vacant(new) = self.places.entry(meaning) {
                // Whoever was taken out may come back, written otherwise.
                match written {
                    Some(written) => self.written.insert(new.key().clone(), written),
                    None => self.written.remove(new.key()),
                };
                new.insert(self.next);
            }
            self.next += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether anybody was there to be removed.
    pub(super) fn remove(&mut self, others: &[String]) -> bool {
        let before = self.places.len();
        for name in others {
            self.take(name);
        }
        self.places.len() < before
    }

    /// Built anew: to walk over a map costs what it once held.
    pub(super) fn intersect(&mut self, others: &[String]) {
        self.places = others.iter().filter_map(|name| self.take(name)).collect();
    }

    /// Those that are on one side and not on the other.
    pub(super) fn differ(&mut self, others: Vec<String>) {
        let mut once = Names::new(self.known);
        once.unite(others);
        for name in once.in_order() {
            if self.take(&name).is_none() {
                self.unite(vec![name]);
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<(String, usize)> {
        match self.known.meaning(name) {
            Some(meaning) => self.places.remove_entry(&meaning),
            None => self.places.remove_entry(name),
        }
    }

    pub(super) fn in_order(self) -> Vec<String> {
        let mut all: Vec<_> = self.places.into_iter().collect();
        all.sort_unstable_by_key(|(_, place)| *place);
        let mut written = self.written;
        all.into_iter().map(|(meaning, _)| written.remove(&meaning).unwrap_or(meaning)).collect()
    }
}
