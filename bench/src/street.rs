//! Where the machines of a simulated fleet live: each has a number, a loopback address of its own and a name.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// No address ends in 0 or 255, for people who read them.
const HOUSES: usize = 250;
const BLOCKS: usize = 10;
/// All numbers that have an address.
pub const LONGEST: usize = 200 * BLOCKS * HOUSES;

/// The address of a machine; numbers begin at 0.
pub fn address(number: usize) -> Ipv4Addr {
    let part = |part: usize| u8::try_from(part).unwrap_or(u8::MAX);
    let (block, house) = (number / HOUSES, number % HOUSES + 1);
    Ipv4Addr::new(127, part(block / BLOCKS + 1), part(block % BLOCKS), part(house))
}

/// The machine that lives at an address.
pub fn number(at: Ipv4Addr) -> Option<usize> {
    let [_, street, block, house] = at.octets().map(usize::from);
    let number = ((street.checked_sub(1)? * BLOCKS) + block) * HOUSES + house.checked_sub(1)?;
    (address(number) == at).then_some(number)
}

/// So many milliseconds take three trips to a machine that is far away: to connect, to shake hands, to answer.
pub const FAR: RangeInclusive<u64> = 50..=200;

/// How long they take to this one. Neighbours are not equally far.
pub fn far(number: usize) -> Duration {
    let spread = FAR.end() - FAR.start() + 1;
    Duration::from_millis(FAR.start() + number as u64 * 97 % spread)
}

/// What a machine is called.
pub fn name(number: usize) -> String {
    format!("web-{}", number + 1)
}

/// The first so many, as a person would select them. Whole blocks, and where there are many, whole streets.
pub fn selection(count: usize, port: u16) -> String {
    let (streets, blocks) = (count / (BLOCKS * HOUSES), count / HOUSES);
    match (streets, blocks) {
        (0, 0) => format!("127.1.0.[1-{count}]:{port}"),
        (0, blocks) => format!("127.1.[0-{}].[1-{HOUSES}]:{port}", blocks - 1),
        (streets, _) => format!("127.[1-{streets}].[0-{}].[1-{HOUSES}]:{port}", BLOCKS - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_an_address_of_its_own() {
        assert_eq!(address(0), Ipv4Addr::new(127, 1, 0, 1));
        assert_eq!(address(9_999), Ipv4Addr::new(127, 4, 9, 250));
        for at in [0, 249, 250, 2_499, 2_500, 9_999, LONGEST - 1] {
            assert_eq!(number(address(at)), Some(at));
        }
        assert_eq!(number(Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn they_are_selected_by_ranges() {
        assert_eq!(selection(50, 7), "127.1.0.[1-50]:7");
        assert_eq!(selection(1_000, 7), "127.1.[0-3].[1-250]:7");
        assert_eq!(selection(10_000, 7), "127.[1-4].[0-9].[1-250]:7");
    }
}
