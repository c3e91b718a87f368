//! Lines chained by hash: each holds its own hash and that of the line before, so that none can be changed, taken away or
//! moved unseen. Pure: bytes in, verdict out. What a line says besides is not known here.
//!
//! ```text
//! {"n":17, ... ,"previous":"<hash of line 16>","hash":"<SHA-256 of all that stands before this comma>"}
//! ```
//! What is missing at the end leaves no trace in the rest: only somebody who noted the last hash can tell.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

/// A SHA-256, written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

impl Hash {
    /// Stands for the line before the first.
    pub const START: Hash = Hash([0; 32]);

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Hash(hash)
    }

    /// Of all that can be read.
    ///
    /// # Errors
    /// It cannot be read to its end.
    pub fn of_all(from: &mut impl io::Read) -> io::Result<Hash> {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut piece = vec![0; 64 << 10];
        loop {
            match from.read(&mut piece)? {
                0 => break,
                count => context.update(&piece[..count]),
            }
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Ok(Hash(hash))
    }

    fn digits(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.to_string()
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Hash, &'static str> {
        const FAULT: &str = "a hash has 64 of 0-9 and a-f";
        // Upper case would be a second way to write the same.
        if text.len() != 64 || !text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(FAULT);
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| FAULT)?;
        }
        Ok(Hash(hash))
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Hash, &'static str> {
        text.parse()
    }
}

// What stands around numbers and hashes in a line. It is put together by hand, since every byte of it counts.
const NUMBER: &[u8] = b"{\"n\":";
const PREVIOUS: &[u8] = b",\"previous\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}";

/// A line's place in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Link {
    /// Its number; the first is 1.
    pub n: u64,
    /// The hash of the line before it.
    pub previous: Hash,
    /// Its own.
    pub hash: Hash,
}

impl Link {
    /// Before the first line.
    pub const START: Link = Link { n: 0, previous: Hash::START, hash: Hash::START };

    /// Reads a line without its newline; `None` when its hash does not fit what it says.
    pub fn read(line: &[u8]) -> Option<Link> {
        let link: Link = serde_json::from_slice(line).ok()?;
        let said = line.strip_suffix(END)?.strip_suffix(&link.hash.digits())?.strip_suffix(HASH)?;
        (Hash::of(said) == link.hash).then_some(link)
    }

    /// Appends the line that follows this one to `out`, with its newline. `words` is the inside of a JSON object, and not empty.
    #[must_use]
    pub fn put_next(&self, out: &mut Vec<u8>, words: &[u8]) -> Link {
        let (n, previous) = (self.n.saturating_add(1), self.hash);
        let began = out.len();
        let number = n.to_string();
        for part in [NUMBER, number.as_bytes(), b",", words, PREVIOUS, &previous.digits(), b"\""] {
            out.extend_from_slice(part);
        }
        let hash = Hash::of(&out[began..]);
        for part in [HASH, &hash.digits(), END, b"\n"] {
            out.extend_from_slice(part);
        }
        Link { n, previous, hash }
    }
}

/// The number that a line claims, whether or not it is to be believed.
pub fn claimed_number(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(NUMBER)?.split(|byte| *byte == b',').next()?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Why a line does not belong where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Its own hash does not fit.
    #[error("it was changed: its hash does not fit what it says")]
    Changed,
    /// Lines before it are not there.
    #[error("missing before it: {}", numbers(.0))]
    Missing(RangeInclusive<u64>),
    /// Its number is not the one that is due.
    #[error("it stands in the place of record {0}: lines were put in another order, or doubled")]
    Moved(u64),
    /// The numbers are right, and the hash of the line before is another.
    #[error("it does not follow the record before it: one of them was put there later")]
    Replaced,
}

fn numbers(range: &RangeInclusive<u64>) -> String {
    match (range.start(), range.end()) {
        (one, same) if one == same => format!("record {one}"),
        (first, last) => format!("records {first} to {last}"),
    }
}

/// Follows a chain from wherever it begins.
#[derive(Debug, Default)]
pub struct Follower {
    last: Option<Link>,
}

impl Follower {
    /// The last line that was in order.
    pub fn last(&self) -> Option<Link> {
        self.last
    }

    /// Takes the next line, without its newline.
    ///
    /// # Errors
    /// What is wrong with it; what comes after it says nothing any more.
    pub fn follow(&mut self, line: &[u8]) -> Result<Link, Flaw> {
        let link = Link::read(line).ok_or(Flaw::Changed)?;
        let last = self.last.or_else(|| (link.n <= 1).then_some(Link::START));
        if let Some(last) = last {
            let due = last.n.saturating_add(1);
            if link.n > due {
                return Err(Flaw::Missing(due..=link.n - 1));
            }
            if link.n < due {
                return Err(Flaw::Moved(due));
            }
            if link.previous != last.hash {
                return Err(Flaw::Replaced);
            }
        }
        self.last = Some(link);
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(count: usize) -> Vec<Vec<u8>> {
        let mut head = Link::START;
        let line = |at| {
            let mut line = Vec::new();
            head = head.put_next(&mut line, format!(r#""event":"test","at":{at}"#).as_bytes());
            line.pop();
            line
        };
        (0..count).map(line).collect()
    }

    /// The first line that is not in order, counted from 0, and what is wrong with it.
    fn first_flaw(lines: &[Vec<u8>]) -> Option<(usize, Flaw)> {
        let mut follower = Follower::default();
        let flaws = |(at, line): (usize, &Vec<u8>)| follower.follow(line).err().map(|flaw| (at, flaw));
        lines.iter().enumerate().find_map(flaws)
    }

    #[test]
    fn a_whole_chain_is_in_order_from_wherever_it_begins() {
        let lines = lines(9);
        assert!((0..9).all(|from| first_flaw(&lines[from..]).is_none()));
        let link = Link::read(&lines[3]).unwrap();
        assert_eq!((link.n, claimed_number(&lines[3])), (4, Some(4)));
        let text = str::from_utf8(&lines[3]).unwrap();
        assert!(text.starts_with(r#"{"n":4,"event":"test","at":3,"previous":""#), "{text}");
    }

    #[test]
    fn what_was_sealed_anew_does_not_follow() {
        let mut lines = lines(5);
        let mut forged = Vec::new();
        let _ = Link::read(&lines[1]).unwrap().put_next(&mut forged, br#""event":"nothing""#);
        forged.pop();
        lines[2] = forged;
        assert_eq!(first_flaw(&lines), Some((3, Flaw::Replaced)));
        // A chain that begins with 1 begins from nothing.
        let mut first = Vec::new();
        let _ = Link { n: 0, ..Link::read(&lines[1]).unwrap() }.put_next(&mut first, br#""event":"x""#);
        first.pop();
        assert_eq!(first_flaw(&[first]), Some((0, Flaw::Replaced)));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_named(at in 0_usize..8, byte: prop::sample::Index, bit in 0_u8..8) {
            let mut lines = lines(8);
            let byte = byte.index(lines[at].len());
            lines[at][byte] ^= 1 << bit;
            prop_assert_eq!(first_flaw(&lines), Some((at, Flaw::Changed)));
        }

        #[test]
        fn any_removed_line_is_named(at in 1_usize..7) {
            let mut lines = lines(8);
            lines.remove(at);
            let number = at as u64 + 1;
            prop_assert_eq!(first_flaw(&lines), Some((at, Flaw::Missing(number..=number))));
        }

        #[test]
        fn any_two_swapped_lines_are_named(one in 0_usize..7, apart in 1_usize..7) {
            let mut lines = lines(14);
            lines.swap(one, one + apart);
            let (at, _) = first_flaw(&lines).unwrap();
            prop_assert!(at == one || (one == 0 && at == 1));
        }

        #[test]
        fn any_line_cut_short_is_named(at in 0_usize..8, end: prop::sample::Index) {
            let mut lines = lines(8);
            let end = end.index(lines[at].len());
            lines[at].truncate(end);
            prop_assert_eq!(first_flaw(&lines), Some((at, Flaw::Changed)));
        }
    }
}
