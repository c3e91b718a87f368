//! Memory goes back to the system when a flood of connections is over.

use crate::c_library::give_memory_back;

/// Fewer connections than this are no flood.
const FLOOD: usize = 64;

/// Follows a number of connections.
#[derive(Debug, Default)]
pub(crate) struct Tide {
    high: usize,
}

impl Tide {
    /// There are `count` now. Called when the number has fallen, and what the connections held is freed.
    pub(crate) fn fell_to(&mut self, count: usize) {
        if self.has_ebbed_to(count) {
            give_memory_back();
        }
    }

    /// There are `count` now.
    pub(crate) fn rose_to(&mut self, count: usize) {
        self.high = self.high.max(count);
    }

    /// Whether half of a flood is gone: each connection then pays for a small part of the work.
    fn has_ebbed_to(&mut self, count: usize) -> bool {
        let ebbed = self.high >= FLOOD && count <= self.high / 2;
        if ebbed {
            self.high = count;
        }
        ebbed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_noticed_each_time_half_of_it_is_gone() {
        let mut tide = Tide::default();
        (1..=1000).for_each(|count| tide.rose_to(count));
        let ebbed: Vec<usize> = (0..1000).rev().filter(|&count| tide.has_ebbed_to(count)).collect();
        assert_eq!(ebbed, [500, 250, 125, 62]);
    }

    #[test]
    fn a_few_connections_are_no_flood() {
        let mut tide = Tide::default();
        for _ in 0..3 {
            tide.rose_to(FLOOD - 1);
            assert!(!tide.has_ebbed_to(0));
        }
    }
}
