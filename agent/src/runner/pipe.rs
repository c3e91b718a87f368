//! What a program writes to, with both ends on this side.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use tokio::io::Interest;

use crate::c_library::Watched;

/// So much of what a program writes is taken at once.
pub(super) const PIECE: usize = 32 << 10;

/// The most that a pipe can hold, where nobody has changed the system's own bound.
pub(super) const HOLDS: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Pipe {
    reader: Watched,
    /// So much can be in it at the program's end. Who writes more then is somebody to whom the descriptor went.
    may_be_left: usize,
    /// Its end is told by the runner. With this one open the kernel does not tell it as well, at the moment when the runner needs
    /// the processor.
    writer: io::PipeWriter,
}

impl Pipe {
    pub(super) fn new() -> io::Result<Pipe> {
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        Ok(Pipe { reader: Watched::new(reader.into(), Interest::READABLE)?, may_be_left: HOLDS, writer })
    }

    /// For whoever starts the program.
    pub(super) fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    /// What is written next.
    pub(super) async fn next(&self) -> io::Result<Bytes> {
        self.reader.async_io(Interest::READABLE, |_| self.read()).await
    }

    /// What is there at the program's end, piece by piece.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let bytes = self.read().ok().filter(|_| self.may_be_left > 0)?;
        self.may_be_left = self.may_be_left.saturating_sub(bytes.len());
        Some(bytes)
    }

    fn read(&self) -> io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(PIECE);
        rustix::io::read(self.reader.as_fd(), spare_capacity(&mut bytes))?;
        Ok(bytes.into())
    }
}
