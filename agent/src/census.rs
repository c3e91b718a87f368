//! How many verified connections there are, in all and of each identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use certs::Name;
use protocol::Refusal;

use crate::config::Limits;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Census {
    counts: Mutex<HashMap<Name, usize>>,
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
        if counts.values().sum::<usize>() >= limits.connections {
            return Err(Refusal::too_many_connections(limits.connections));
        }
        let count = counts.entry(name.clone()).or_default();
        if *count >= limits.connections_per_identity {
            return Err(Refusal::too_many_connections_of(name.as_str(), limits.connections_per_identity));
        }
        *count += 1;
        Ok(Counted { name: name.clone(), census: Arc::clone(self) })
    }

    /// All connections.
    pub(crate) fn total(&self) -> usize {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.census.lock();
        if let Some(count) = counts.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
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
