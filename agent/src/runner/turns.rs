//! Whose turn it is to start something: so many of each run at the same time, and the others wait in the order in which they came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::requests::explain::Sort;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// By sort, name, and how many may run: those that began under another limit do not count.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<(Sort, String, usize), Arc<Semaphore>>>);

/// A place among those that run.
pub(super) type Turn = OwnedSemaphorePermit;

impl Turns {
    /// Those before whom there are others wait for this.
    pub(super) fn of(&self, sort: Sort, name: &str, limit: usize) -> Arc<Semaphore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = all.entry((sort, name.to_owned(), limit));
        Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(limit))))
    }
}
