//! Messages over a pair of sockets, some with open descriptors. A message arrives whole or not at all.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;

use crate::c_library::Watched;

/// The longest message: what a peer may give to a program, written as JSON once more.
const MAX_BYTES: usize = 160 * 1024;

/// The most descriptors that go with one message.
const MAX_DESCRIPTORS: usize = 3;

/// One end. Its messages are whole as datagrams are, and it tells its end as streams do.
#[derive(Debug)]
pub(super) struct Channel(Watched);

/// Two ends that know of each other. Whoever is given one learns when the other is closed.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

impl Channel {
    pub(super) fn new(end: OwnedFd) -> io::Result<Channel> {
        // Whoever waited for room as well would be woken whenever the other end takes a message.
        Watched::new(end, Interest::READABLE).map(Channel)
    }

    pub(super) async fn send(&self, message: &impl Serialize, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > MAX_BYTES {
            return Err(io::Error::other("these are more values than it takes at once"));
        }
        match send(self.0.as_fd(), &bytes, with) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let room = Watched::new(self.0.get_ref().try_clone()?, Interest::WRITABLE)?;
                room.async_io(Interest::WRITABLE, |socket| send(socket.as_fd(), &bytes, with)).await
            }
            sent => sent,
        }
    }

    /// The same without waiting: where there is no room nobody listens.
    pub(super) fn send_now(&self, message: &impl Serialize) -> io::Result<()> {
        send(self.0.as_fd(), &serde_json::to_vec(message)?, &[])
    }

    /// The next message, if it is here.
    pub(super) fn receive_now<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        let (bytes, _) = receive(self.0.as_fd())?;
        if bytes.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_slice(&bytes)?)) }
    }

    /// The next message; nothing when the other end is closed.
    pub(super) async fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        Ok(self.receive_with().await?.map(|(message, _)| message))
    }

    /// The same, with what came along.
    pub(super) async fn receive_with<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let (bytes, with) = self.0.async_io(Interest::READABLE, |socket| receive(socket.as_fd())).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&bytes)?, with)))
    }

    /// Comes back when the other end is closed. There nobody says anything more.
    pub(super) async fn closed(&self) {
        let _ = self.0.async_io(Interest::READABLE, |socket| receive(socket.as_fd())).await;
    }
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], with: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !with.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(with)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

fn receive(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    // Most messages are short: looked at first, each costs what it needs.
    let peek = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
    let (_, length) = recv(socket, &mut [0_u8; 0][..], peek)?;
    let mut bytes = vec![0; length.min(MAX_BYTES)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(socket, slices, &mut ancillary, flags)?.bytes;
    bytes.truncate(received);
    let with = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok((bytes, with.flatten().collect()))
}
