//! Who may wait for a handshake. Nobody is known yet, so nobody may crowd out the others.
//!
//! A plain limit lets one host lock everybody out, and a limit per address falls to many addresses. Dropping the oldest
//! connection of the busiest source does neither: a good peer needs milliseconds, and an idle one is always older.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::tide::Tide;

/// Those who count as one: an IPv4 address, or an IPv6 network of 64 bits, which one host commonly has to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
        })
    }
}

/// The table of connections whose peer is not verified yet.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// In the order in which they came.
    connections: Vec<Connection>,
    tide: Tide,
}

#[derive(Debug)]
struct Connection {
    id: u64,
    source: Source,
    /// Dropped to tell the connection that its place is gone.
    _place: oneshot::Sender<()>,
}

/// A place in the table, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    admission: Arc<Admission>,
    lost: oneshot::Receiver<()>,
}

impl Place {
    /// Ends when the place was given to somebody else.
    pub(crate) async fn lost(&mut self) {
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.admission.lock();
        waiting.connections.retain(|connection| connection.id != self.id);
        let left = waiting.connections.len();
        waiting.tide.fell_to(left);
    }
}

impl Admission {
    /// Takes one more; when there are `limit` already, one of those loses its place.
    pub(crate) fn admit(self: &Arc<Admission>, address: IpAddr, limit: usize) -> Place {
        let (place, lost) = oneshot::channel();
        let mut waiting = self.lock();
        while waiting.connections.len() >= limit {
            waiting.evict();
        }
        let id = waiting.next;
        waiting.next += 1;
        waiting.connections.push(Connection { id, source: address.into(), _place: place });
        let count = waiting.connections.len();
        waiting.tide.rose_to(count);
        Place { id, admission: Arc::clone(self), lost }
    }

    /// Makes room when the machine has no more descriptors; says whether there was anybody to send away.
    pub(crate) fn evict(&self) -> bool {
        self.lock().evict()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn evict(&mut self) -> bool {
        let mut counts: HashMap<Source, usize> = HashMap::new();
        for connection in &self.connections {
            *counts.entry(connection.source).or_default() += 1;
        }
        let most = counts.values().max().copied();
        let oldest =
            self.connections.iter().position(|connection| counts.get(&connection.source).copied() == most);
        oldest.map(|index| self.connections.remove(index)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(admission: &Arc<Admission>, addresses: &[&str], limit: usize) -> Vec<Place> {
        addresses.iter().map(|address| admission.admit(address.parse().unwrap(), limit)).collect()
    }

    fn lost(places: &mut [Place]) -> Vec<usize> {
        let closed = |place: &mut Place| place.lost.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        places.iter_mut().enumerate().filter_map(|(index, place)| closed(place).then_some(index)).collect()
    }

    #[test]
    fn the_oldest_of_the_busiest_source_makes_room() {
        let admission = Arc::new(Admission::default());
        let mut places = admitted(&admission, &["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"], 4);
        let _good = admission.admit("192.0.2.9".parse().unwrap(), 4);
        assert_eq!(lost(&mut places), [1]);
    }

    #[test]
    fn among_equals_the_oldest_makes_room() {
        let admission = Arc::new(Admission::default());
        let mut places = admitted(&admission, &["192.0.2.1", "192.0.2.2", "192.0.2.3"], 3);
        let _good = admission.admit("192.0.2.9".parse().unwrap(), 3);
        assert_eq!(lost(&mut places), [0]);
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_address_is_its_ipv4_one() {
        let admission = Arc::new(Admission::default());
        let addresses = ["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:1::2", "::ffff:192.0.2.1"];
        let mut places = admitted(&admission, &addresses, 4);
        let _one_more = admission.admit("192.0.2.1".parse().unwrap(), 4);
        assert_eq!(lost(&mut places), [1]);
        assert_eq!(
            Source::from("::ffff:192.0.2.1".parse::<IpAddr>().unwrap()),
            Source("192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn a_place_is_given_back() {
        let admission = Arc::new(Admission::default());
        drop(admitted(&admission, &["192.0.2.1", "192.0.2.2"], 2));
        let mut places = admitted(&admission, &["192.0.2.1", "192.0.2.2"], 2);
        assert!(lost(&mut places).is_empty());
        assert!(admission.evict() && admission.evict() && !admission.evict());
    }
}
