//! How many verified connections there are, in all and of each identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use certs::Name;
use protocol::Refusal;

use crate::config::Limits;
use crate::tide::Tide;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Census {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    of: HashMap<Name, usize>,
    tide: Tide,
}

/// A counted connection; it counts until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    name: Name,
    census: Arc<Census>,
}

impl Census {
    /// Counts one more connection of `name`, or says which limit it would break.
    pub(crate) fn count(self: &Arc<Census>, name: &Name, limits: &Limits) -> Result<Counted, Refusal> {
        let mut counts = self.lock();
        if counts.total >= limits.connections {
            return Err(Refusal::too_many_connections(limits.connections));
        }
        let of_name = counts.of.get(name).copied().unwrap_or_default();
        if of_name >= limits.connections_per_identity {
            return Err(Refusal::too_many_connections_of(name.as_str(), limits.connections_per_identity));
        }
        counts.add(name);
        Ok(Counted { name: name.clone(), census: Arc::clone(self) })
    }

    /// All connections.
    pub(crate) fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, name: &Name) {
        *self.of.entry(name.clone()).or_default() += 1;
        self.total += 1;
        self.tide.rose_to(self.total);
    }

    fn take_away(&mut self, name: &Name) {
        if let Some(count) = self.of.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(name);
            }
        }
        self.total -= 1;
        self.tide.fell_to(self.total);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.census.lock().take_away(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Kind;

    #[test]
    fn each_limit_is_kept_and_given_back() {
        let census = Arc::new(Census::default());
        let limits = Limits { connections: 3, connections_per_identity: 2, ..Limits::default() };
        let [alice, bob]: [Name; 2] = ["alice", "bob"].map(|name| name.parse().unwrap());
        let first = census.count(&alice, &limits).unwrap();
        let _second = census.count(&alice, &limits).unwrap();
        let refusal = census.count(&alice, &limits).unwrap_err();
        assert!(refusal.message.contains("alice already has 2"), "{}", refusal.message);
        let _third = census.count(&bob, &limits).unwrap();
        assert_eq!(census.count(&bob, &limits).unwrap_err().kind, Kind::TooManyConnections);
        drop(first);
        assert_eq!(census.total(), 2);
        census.count(&alice, &limits).unwrap();
    }
}
