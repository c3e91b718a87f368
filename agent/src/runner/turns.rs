//! Whose turn it is to start something: so many of each run at the same time, and the others wait in the order in which they came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::requests::explain::Sort;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Held as long as it takes; there is always another.
pub(crate) type Turn = Result<OwnedSemaphorePermit, AcquireError>;

/// By sort, name, and how many may run: those that began under another limit do not count.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<(Sort, String, usize), Arc<Semaphore>>>);

impl Turns {
    pub(super) async fn take(&self, sort: Sort, name: &str, limit: usize) -> Turn {
        let places = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let places = all.entry((sort, name.to_owned(), limit));
            Arc::clone(places.or_insert_with(|| Arc::new(Semaphore::new(limit))))
        };
        places.acquire_owned().await
    }
}
