//! Names in order of first appearance, each once.

use std::collections::HashMap;

/// Each operation costs what its other side is long, or what it throws away: a long row of them stays linear.
#[derive(Default)]
pub(super) struct Names {
    places: HashMap<String, usize>,
    next: usize,
}

impl Names {
    pub(super) fn unite(&mut self, others: Vec<String>) {
        for name in others {
            self.places.entry(name).or_insert(self.next);
            self.next += 1;
        }
    }

    /// Whether anybody was there to be removed.
    pub(super) fn remove(&mut self, others: &[String]) -> bool {
        let before = self.places.len();
        for name in others {
            self.places.remove(name);
        }
        self.places.len() < before
    }

    /// Built anew: to walk over a map costs what it once held.
    pub(super) fn intersect(&mut self, others: &[String]) {
        self.places = others.iter().filter_map(|name| self.places.remove_entry(name)).collect();
    }

    /// Those that are on one side and not on the other.
    pub(super) fn differ(&mut self, others: Vec<String>) {
        let mut once = Names::default();
        once.unite(others);
        for name in once.in_order() {
            if self.places.remove(&name).is_none() {
                self.unite(vec![name]);
            }
        }
    }

    pub(super) fn in_order(self) -> Vec<String> {
        let mut all: Vec<_> = self.places.into_iter().collect();
        all.sort_unstable_by_key(|(_, place)| *place);
        all.into_iter().map(|(name, _)| name).collect()
    }
}
