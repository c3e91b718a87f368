//! What is said over the line: a greeting, calls, and answers in any order. Whoever stops waiting leaves it whole.

use std::io::{self, ErrorKind};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::message::{Call, Reply, Value, length};

/// What is asked for is far smaller. Anybody on the machine may send more, and that is thrown away as it comes.
const MOST: u64 = 64 << 10;
const LONGEST_LINE: usize = 512;
/// The number of the first call, with which everybody has to begin.
const HELLO: u32 = 1;

/// A value, or in which words it was refused.
pub(crate) type Said = Result<Value, String>;

#[derive(Debug)]
pub(super) struct Conversation {
    stream: UnixStream,
    outgoing: BytesMut,
    incoming: BytesMut,
    /// So many bytes that are still to come are of nobody's interest.
    unread: u64,
    is_taken: bool,
    /// Of the newest call.
    serial: u32,
}

/// Who this is, as the kernel confirms, and the first call; nothing in it needs an answer first.
pub(super) fn greeting(user: u32) -> Vec<u8> {
    let user: String = user.to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
    let bus = "org.freedesktop.DBus";
    let path = "/org/freedesktop/DBus";
    let hello = Call { destination: bus, path, interface: bus, member: "Hello", arguments: &[] };
    let mut greeting = format!("\0AUTH EXTERNAL {user}\r\nBEGIN\r\n").into_bytes();
    greeting.extend(hello.encode(HELLO));
    greeting
}

impl Conversation {
    /// Goes on where the greeting was said.
    pub(super) fn over(stream: UnixStream) -> Conversation {
        let (outgoing, incoming) = (BytesMut::new(), BytesMut::new());
        Conversation { stream, outgoing, incoming, unread: 0, is_taken: false, serial: HELLO }
    }

    /// Asks all of them at once, and waits for all answers.
    pub(super) async fn ask(&mut self, calls: &[Call<'_>]) -> io::Result<Vec<Said>> {
        self.be_taken().await?;
        // What somebody else did not wait for goes first, so that it does not grow.
        self.send().await?;
        let first = self.number(calls.len());
        for (call, serial) in calls.iter().zip(first..) {
            self.outgoing.extend_from_slice(&call.encode(serial));
        }
        self.send().await?;
        let mut said: Vec<Option<Said>> = vec![None; calls.len()];
        while said.iter().any(Option::is_none) {
            let reply = self.reply().await?;
            // Others are answers that somebody did not wait for.
            let place = usize::try_from(reply.to.wrapping_sub(first)).unwrap_or(usize::MAX);
            if let Some(place) = said.get_mut(place) {
                *place = Some(reply.said);
            }
        }
        Ok(said.into_iter().flatten().collect())
    }

    /// The first of so many numbers in a row. 0 is none.
    fn number(&mut self, count: usize) -> u32 {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let first = self.serial.checked_add(1).filter(|first| first.checked_add(count).is_some());
        let first = first.unwrap_or(HELLO + 1);
        self.serial = first + count - 1;
        first
    }

    async fn send(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            self.stream.write_buf(&mut self.outgoing).await?;
        }
        Ok(())
    }

    /// Hears whether the bus believes who this is.
    async fn be_taken(&mut self) -> io::Result<()> {
        while !self.is_taken {
            let Some(end) = self.incoming.windows(2).position(|two| two == b"\r\n") else {
                if self.incoming.len() > LONGEST_LINE {
                    return Err(odd());
                }
                self.receive().await?;
                continue;
            };
            let line = self.incoming.split_to(end + 2);
            if !line.starts_with(b"OK ") {
                return Err(io::Error::new(ErrorKind::PermissionDenied, "it does not let this user in"));
            }
            self.is_taken = true;
        }
        Ok(())
    }

    /// The next answer, whoever asked. Everything else is passed over.
    async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            self.pass_over();
            let length = if self.unread > 0 { None } else { length(&self.incoming).map_err(|_| odd())? };
            match length {
                Some(length) if length > MOST => self.unread = length,
                Some(length) if length <= self.incoming.len() as u64 => {
                    let message = self.incoming.split_to(usize::try_from(length).unwrap_or(usize::MAX));
                    match Reply::decode(&message) {
                        Some(Reply { to: HELLO, said: Err(why) }) => return Err(io::Error::other(why)),
                        Some(reply) => return Ok(reply),
                        None => {}
                    }
                }
                _ => self.receive().await?,
            }
        }
    }

    fn pass_over(&mut self) {
        let here = self.incoming.len();
        let unread = usize::try_from(self.unread).unwrap_or(usize::MAX).min(here);
        self.incoming.advance(unread);
        self.unread -= unread as u64;
    }

    async fn receive(&mut self) -> io::Result<()> {
        self.incoming.reserve(4096);
        match self.stream.read_buf(&mut self.incoming).await? {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "it hung up")),
            _ => Ok(()),
        }
    }
}

fn odd() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "it says what is no message of its protocol")
}
