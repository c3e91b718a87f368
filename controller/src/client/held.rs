//! A connection on which the last bytes of a handshake wait for the first request, and leave with it: one packet, and one time that
//! the agent is woken. And it is not read for ever at a time, so that no agent takes the turns of others.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// More than a handshake ends with, and a usual request.
const ROOM: usize = 8 << 10;

/// So often one agent is heard before others are.
const TURNS: u8 = 32;

/// A connection, and what is to leave on it.
#[derive(Debug)]
pub(crate) struct Held {
    socket: TcpStream,
    held: Vec<u8>,
    /// How often it was heard since others were.
    turns: u8,
    /// Whoever says that all is written means one turn of the handshake.
    is_shaking: bool,
}

impl Held {
    /// For a handshake: what is written leaves when an answer to it is waited for.
    pub(crate) fn new(socket: TcpStream) -> Held {
        Held { socket, held: Vec::new(), turns: 0, is_shaking: true }
    }

    /// The handshake is done: what is written leaves when somebody says that it is all.
    pub(crate) fn shaken(&mut self) {
        self.is_shaking = false;
    }

    /// Whether this much waits with what does.
    fn holds(&self, more: usize) -> bool {
        (self.is_shaking || !self.held.is_empty()) && self.held.len() + more <= ROOM
    }

    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.held))?;
            self.held.drain(..sent);
        }
        // A connection that waits holds no room for this.
        self.held = Vec::new();
        Poll::Ready(Ok(()))
    }
}

/// An alert that ends a handshake is the last thing that is written.
impl Drop for Held {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            let _ = self.socket.try_write(&self.held);
        }
    }
}

impl AsyncWrite for Held {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (it, length) = (self.get_mut(), pieces.iter().map(|piece| piece.len()).sum());
        if it.holds(length) {
            pieces.iter().for_each(|piece| it.held.extend_from_slice(piece));
            return Poll::Ready(Ok(length));
        }
        ready!(it.poll_leave(cx))?;
        Pin::new(&mut it.socket).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_shaking { Poll::Ready(Ok(())) } else { self.get_mut().poll_leave(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let it = self.get_mut();
        ready!(it.poll_leave(cx))?;
        Pin::new(&mut it.socket).poll_shutdown(cx)
    }
}

impl AsyncRead for Held {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let it = self.get_mut();
        // Also who does not take it may have something to say, and says best what is wrong.
        let _ = it.poll_leave(cx);
        // Whoever sends without end would keep everybody else, and all clocks, waiting.
        if it.turns == TURNS {
            it.turns = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut it.socket).poll_read(cx, into);
        it.turns = if read.is_ready() { it.turns + 1 } else { 0 };
        read
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::unconstrained;
    use tokio::time::timeout;

    use super::*;

    /// A connection, and its other end.
    async fn pair() -> (Held, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Held::new(near), listener.accept().await.unwrap().0)
    }

    /// What has come until now.
    async fn heard(far: &mut TcpStream) -> String {
        let mut bytes = [0; 64];
        let read = far.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[tokio::test]
    async fn the_end_of_a_handshake_leaves_with_the_first_request() {
        let (mut near, mut far) = pair().await;
        near.write_all(b"hello").await.unwrap();
        near.flush().await.unwrap();
        assert_eq!(near.held, b"hello");
        // Whoever waits for an answer has said all.
        far.write_all(b"well").await.unwrap();
        let mut answer = [0; 4];
        near.read_exact(&mut answer).await.unwrap();
        assert_eq!((near.held.len(), heard(&mut far).await.as_str()), (0, "hello"));
        near.write_all(b"finished").await.unwrap();
        near.flush().await.unwrap();
        near.shaken();
        near.write_all(b", and how are you?").await.unwrap();
        assert_eq!(near.held, b"finished, and how are you?");
        near.flush().await.unwrap();
        assert_eq!((near.held.len(), heard(&mut far).await.as_str()), (0, "finished, and how are you?"));
        near.write_all(b"once more").await.unwrap();
        assert_eq!((near.held.len(), heard(&mut far).await.as_str()), (0, "once more"));
    }

    #[tokio::test]
    async fn what_is_large_waits_for_nobody_and_nothing_is_lost() {
        let (mut near, mut far) = pair().await;
        near.write_all(b"finished").await.unwrap();
        near.shaken();
        let large = vec![b'x'; 1 << 20];
        let ((), read) = tokio::join!(
            async {
                near.write_all(&large).await.unwrap();
                near.shutdown().await.unwrap();
            },
            async {
                let mut all = Vec::new();
                far.read_to_end(&mut all).await.unwrap();
                all
            }
        );
        assert_eq!(read, [b"finished".as_slice(), &large].concat());
    }

    #[tokio::test]
    async fn who_sends_without_end_holds_nobody_up() {
        let (mut near, far) = pair().await;
        let mut far = far.into_std().unwrap();
        far.set_nonblocking(false).unwrap();
        let sends = thread::spawn(move || while far.write_all(&[b'x'; 1 << 16]).is_ok() {});
        let hears = unconstrained(async {
            loop {
                near.read_exact(&mut [0]).await.unwrap();
            }
        });
        assert!(timeout(Duration::from_millis(50), hears).await.is_err());
        drop(near);
        sends.join().unwrap();
    }

    #[tokio::test]
    async fn an_alert_leaves_though_nobody_waits_for_an_answer() {
        let (mut near, mut far) = pair().await;
        near.write_all(b"alert").await.unwrap();
        drop(near);
        assert_eq!(heard(&mut far).await, "alert");
    }
}
