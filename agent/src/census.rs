//! How many verified connections there are, in all and of each identity, and how many requests are in flight of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use certs::Name;
use protocol::Refusal;
use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::response::Response;
use crate::tide::Tide;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Census {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    of: HashMap<Name, Present>,
    tide: Tide,
}

/// An identity that has connections.
#[derive(Debug)]
struct Present {
    connections: usize,
    requests: Arc<Semaphore>,
}

/// A counted connection; it counts until dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    name: Name,
    requests: Arc<Semaphore>,
    limit: usize,
    census: Arc<Census>,
}

impl Counted {
    /// Counts a request as long as it is in flight; refuses it when its asker has too many on all connections together.
    pub(crate) fn hold(&self, response: Response) -> Response {
        if matches!(response, Response::Now(_) | Response::Refused(_)) {
            return response;
        }
        match Arc::clone(&self.requests).try_acquire_owned() {
            Ok(permit) => response.keeping(permit),
            Err(_) => Response::Refused(Refusal::too_many_requests_of(self.name.as_str(), self.limit)),
        }
    }
}

impl Census {
    /// Counts one more connection of `name`, or says which limit it would break.
    pub(crate) fn count(self: &Arc<Census>, name: &Name, limits: &Limits) -> Result<Counted, Refusal> {
        let mut counts = self.lock();
        if counts.total >= limits.connections {
            return Err(Refusal::too_many_connections(limits.connections));
        }
        let of_name = counts.of.get(name).map_or(0, |present| present.connections);
        if of_name >= limits.connections_per_identity {
            return Err(Refusal::too_many_connections_of(name.as_str(), limits.connections_per_identity));
        }
        let limit = limits.requests_in_flight_per_identity;
        let requests = counts.add(name, limit);
        Ok(Counted { name: name.clone(), requests, limit, census: Arc::clone(self) })
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
    fn add(&mut self, name: &Name, requests: usize) -> Arc<Semaphore> {
        let unknown = || Present { connections: 0, requests: Arc::new(Semaphore::new(requests)) };
        let present = self.of.entry(name.clone()).or_insert_with(unknown);
        present.connections += 1;
        self.total += 1;
        self.tide.rose_to(self.total);
        Arc::clone(&present.requests)
    }

    fn take_away(&mut self, name: &Name) {
        if let Some(present) = self.of.get_mut(name) {
            present.connections -= 1;
            if present.connections == 0 {
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
