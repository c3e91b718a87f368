//! Frames over any byte stream. The only file here that waits for anything.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::ready;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::frame::{Frame, FrameError, Frames};

/// One TLS record holds this much.
const READ_BYTES: usize = 16 * 1024;

/// Reads frames from a byte stream and writes them to it.
///
/// Replies are collected in [`MessageStream::outbox`] and leave in one write with [`MessageStream::flush`]: one record,
/// one system call. A stream that waits holds no buffer at all, so ten thousand idle connections cost little.
#[derive(Debug)]
pub struct MessageStream<S> {
    io: S,
    frames: Frames,
    inbox: BytesMut,
    outbox: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> MessageStream<S> {
    /// Takes over `io`; frames longer than `limit` are refused.
    pub fn new(io: S, limit: usize) -> MessageStream<S> {
        MessageStream { io, frames: Frames::new(limit), inbox: BytesMut::new(), outbox: Vec::new() }
    }

    /// A frame that is already here.
    ///
    /// # Errors
    /// The bytes cannot be a frame; the stream is of no more use.
    pub fn next_ready(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.inbox.is_empty() {
            return Ok(None);
        }
        let frame = self.frames.next(&mut self.inbox)?;
        if self.inbox.is_empty() && !self.frames.is_inside() {
            self.inbox = BytesMut::new();
        }
        Ok(frame)
    }

    /// Whether the peer has begun a frame and not finished it.
    pub fn is_inside_frame(&self) -> bool {
        self.frames.is_inside()
    }

    /// Waits for more bytes; `false` when the peer has ended its side. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn fill(&mut self) -> io::Result<bool> {
        poll_fn(|cx| {
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
            self.inbox.extend_from_slice(read.filled());
            Ok(!read.filled().is_empty()).into()
        })
        .await
    }

    /// Waits for the next frame; `None` when the peer has ended its side between two frames.
    ///
    /// # Errors
    /// The connection failed or ended inside a frame, or the bytes cannot be a frame.
    pub async fn receive(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.next_ready()? {
                return Ok(Some(frame));
            }
            if !self.fill().await? {
                let torn = self.is_inside_frame();
                return if torn { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(None) };
            }
        }
    }

    /// Where frames wait to be written; see [`crate::message`] for what puts them there.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        self.io.write_all(&self.outbox).await?;
        self.outbox = Vec::new();
        self.io.flush().await
    }

    /// Ends this side of the stream.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn close(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }
}
