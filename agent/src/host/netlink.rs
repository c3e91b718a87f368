//! The kernel's interfaces and addresses over a netlink socket: one list of messages each, read by offsets.
//! `getifaddrs` and `/sys` tell the same for several times the cost.

use std::io;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// List all interfaces.
pub(super) const GET_LINK: u16 = 18;
/// List all addresses.
pub(super) const GET_ADDRESS: u16 = 22;

const DONE: u16 = 3;
const ERROR: u16 = 2;
const REQUEST_LIST: u16 = 0x301;
const HEADER: usize = 16;
/// The kernel never fills more at a time.
const MOST: usize = 32 << 10;

/// A message's content: a fixed part whose length its kind tells, then attributes.
pub(super) struct Message<'a>(&'a [u8]);

/// A line to the kernel.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    pub(super) fn open() -> io::Result<Netlink> {
        // No protocol is the first of them: routing.
        Ok(Netlink(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?))
    }

    /// All messages the kernel answers with, as bytes for [`messages`].
    pub(super) fn ask(&self, kind: u16) -> io::Result<Vec<u8>> {
        send(&self.0, &request(kind), SendFlags::empty())?;
        let mut answer = Vec::new();
        loop {
            let start = answer.len();
            answer.reserve(MOST);
            // The kernel writes the answer while it is asked, so there is nothing to wait for.
            let (_, length) = recv(&self.0, spare_capacity(&mut answer), RecvFlags::DONTWAIT)?;
            let part = answer.get(start..start + length).ok_or_else(odd)?;
            if ends(part)? {
                return Ok(answer);
            }
        }
    }
}

/// The header, and a body of zeros as long as the longer of the two kinds has it.
fn request(kind: u16) -> [u8; HEADER + 16] {
    let mut request = [0; HEADER + 16];
    request[..4].copy_from_slice(&(HEADER as u32 + 16).to_ne_bytes());
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&REQUEST_LIST.to_ne_bytes());
    request
}

/// Whether these are the last messages of a list.
fn ends(part: &[u8]) -> io::Result<bool> {
    let mut rest = part;
    while let Some((kind, body, tail)) = split(rest) {
        match kind {
            DONE => return Ok(true),
            ERROR => return Err(error(body)),
            _ => rest = tail,
        }
    }
    // Nothing that can be read would mean reading on for ever.
    if rest.len() == part.len() { Err(odd()) } else { Ok(false) }
}

fn error(body: &[u8]) -> io::Error {
    body.first_chunk().map_or_else(odd, |code| io::Error::from_raw_os_error(-i32::from_ne_bytes(*code)))
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's list of interfaces is not in the form expected")
}

/// The messages of an answer.
pub(super) fn messages(answer: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = answer;
    std::iter::from_fn(move || {
        let (kind, body, tail) = split(rest)?;
        rest = tail;
        Some((kind, Message(body)))
    })
    .filter(|(kind, _)| *kind != DONE)
    .map(|(_, message)| message)
}

/// The first message's kind and content, and what follows it.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(number::<4>(bytes, 0)?).ok()?;
    let kind = u16::try_from(number::<2>(bytes, 4)?).ok()?;
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

impl<'a> Message<'a> {
    /// A number of the fixed part.
    pub(super) fn number<const N: usize>(&self, offset: usize) -> Option<u64> {
        number::<N>(self.0, offset)
    }

    /// The attributes behind a fixed part of that length.
    pub(super) fn attributes(&self, after: usize) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut rest = self.0.get(after..).unwrap_or_default();
        std::iter::from_fn(move || {
            let length = usize::try_from(number::<2>(rest, 0)?).ok()?;
            // The two highest bits say how the content is to be read.
            let kind = u16::try_from(number::<2>(rest, 2)?).ok()? & 0x3fff;
            let content = rest.get(4..length)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some((kind, content))
        })
    }
}

/// A number of `N` bytes in the machine's order.
pub(super) fn number<const N: usize>(bytes: &[u8], offset: usize) -> Option<u64> {
    let digits = bytes.get(offset..)?.first_chunk::<N>()?;
    let fold = |number: u64, digit: &u8| number << 8 | u64::from(*digit);
    Some(if cfg!(target_endian = "little") {
        digits.iter().rev().fold(0, fold)
    } else {
        digits.iter().fold(0, fold)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER as u32 + body.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn messages_and_their_attributes() {
        let attributes = [&5_u16.to_ne_bytes()[..], &3_u16.to_ne_bytes(), b"x\0\0\0"].concat();
        let body = [&7_u32.to_ne_bytes()[..], &attributes].concat();
        let answer = [message(16, &body), message(16, b"abcde"), message(DONE, &[0; 4])].concat();
        assert!(ends(&answer).unwrap());
        let told: Vec<_> = messages(&answer).collect();
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].number::<4>(0), Some(7));
        assert_eq!(told[0].attributes(4).collect::<Vec<_>>(), [(3, &b"x"[..])]);
        assert_eq!(told[1].number::<4>(4), None, "beyond the end");
    }

    #[test]
    fn an_answer_cut_anywhere_is_survived() {
        let answer = [message(16, &[9; 40]), message(DONE, &[0; 4])].concat();
        for length in 0..answer.len() {
            messages(&answer[..length]).for_each(|message| message.attributes(4).for_each(drop));
        }
        assert!(ends(&answer[..3]).is_err(), "or it would read for ever");
        assert!(!ends(&message(16, &[0; 8])).unwrap());
    }

    #[test]
    fn a_refusal_is_an_error() {
        let refused = ends(&message(ERROR, &(-1_i32).to_ne_bytes())).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
