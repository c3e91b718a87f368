//! Takes TCP connections and shakes hands. Who is let in, and what becomes of him, is for what lies behind the door.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certs::tls::{self, Judge, Reason};
use futures_util::future::join_all;
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{Admission, Place};
use crate::audit::Audit;
use crate::config::Limits;
use crate::throttle::{Throttle, Verdict};

/// After a failed accept: long enough not to spin, short enough that nobody notices.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection may be silent before the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A refused peer may still be sending. Closing on it would reset the connection, and the reset would overtake the alert
/// that says why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;

/// Boxed, because each function that takes it on its way would otherwise keep room for all of it.
pub(crate) type Connection = Box<TlsStream<TcpStream>>;

/// Somebody whose handshake is done.
pub(crate) struct Guest {
    pub(crate) stream: Connection,
    pub(crate) from: SocketAddr,
    /// His place among the unverified. Dropped when he is known.
    pub(crate) place: Place,
}

/// What lies behind a door.
pub(crate) trait Behind: Send + Sync + 'static {
    /// How the next one shakes hands, and what he may use up until he is known.
    fn terms(&self) -> (Arc<ServerConfig>, Limits);

    /// Takes a guest in.
    fn enter(self: Arc<Self>, guest: Guest) -> impl Future<Output = ()> + Send;
}

/// One for all listeners.
#[derive(Default)]
pub(crate) struct Door {
    /// Every connection's task.
    tasks: TaskTracker,
    /// Ends connections once they have done what they are about.
    pub(crate) stop: CancellationToken,
    /// Ends them at once.
    halt: CancellationToken,
    admission: Arc<Admission>,
    strangers: Throttle,
    failed_accepts: Throttle,
    audit: Audit,
}

impl Door {
    /// A door at which it is recorded who was refused.
    pub(crate) fn recording(audit: Audit) -> Door {
        Door { audit, ..Door::default() }
    }

    /// Takes connections until it is dropped. Never waits for a peer.
    pub(crate) async fn open<B: Behind>(self: &Arc<Door>, listeners: &[TcpListener], behind: &Arc<B>) {
        join_all(listeners.iter().map(|listener| self.accept(listener, behind))).await;
    }

    /// Waits for the connections to end, and says whether all did.
    pub(crate) async fn drain(&self, grace: Duration) -> bool {
        self.tasks.close();
        let all = timeout(grace, self.tasks.wait()).await.is_ok();
        self.halt.cancel();
        all
    }

    /// Waits until the connections that were cut are gone.
    pub(crate) async fn gone(&self) {
        self.tasks.wait().await;
    }

    async fn accept<B: Behind>(self: &Arc<Door>, listener: &TcpListener, behind: &Arc<B>) {
        loop {
            match listener.accept().await {
                Ok((socket, from)) => self.welcome(socket, from, behind),
                Err(error) => self.accept_failed(&error).await,
            }
        }
    }

    fn welcome<B: Behind>(self: &Arc<Door>, socket: TcpStream, from: SocketAddr, behind: &Arc<B>) {
        let (tls, limits) = behind.terms();
        let place = self.admission.admit(from.ip(), limits.unverified);
        let (door, behind) = (Arc::clone(self), Arc::clone(behind));
        self.spawn(async move {
            if let Some(guest) = door.shake_hands(socket, from, tls, limits.handshake, place).await {
                // A second, smaller task: the handshake's memory goes back before the conversation begins.
                door.spawn(behind.enter(guest));
            }
        });
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Boxed, because what wraps it would keep room for it again.
        let (halt, task) = (self.halt.clone(), Box::pin(task));
        self.tasks.spawn(async move {
            halt.run_until_cancelled(task).await;
        });
    }

    async fn accept_failed(&self, error: &io::Error) {
        let evicted = self.admission.evict();
        let remedy = if evicted { "an unverified one was dropped to make room" } else { "trying again" };
        if let Verdict::Write { .. } = self.failed_accepts.judge(Instant::now()) {
            tracing::warn!("cannot take a connection: {error}; {remedy}");
        }
        if evicted {
            // The evicted task closes its socket as soon as it runs.
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    async fn shake_hands(
        &self,
        socket: TcpStream,
        from: SocketAddr,
        tls: Arc<ServerConfig>,
        limit: Duration,
        mut place: Place,
    ) -> Option<Guest> {
        // Small answers must not wait for the peer's acknowledgement of the one before.
        let _ = socket.set_nodelay(true);
        // A peer that vanished without a word must not keep its place for ever.
        let _ = set_socket_keepalive(&socket, true);
        let _ = set_tcp_keepidle(&socket, KEEPALIVE);
        let accepting = TlsAcceptor::from(tls).accept(socket).into_fallible();
        let accepted = tokio::select! {
            accepted = timeout(limit, accepting) => accepted,
            () = place.lost() => {
                self.stranger(from, "dropped: too many are waiting for a handshake");
                return None;
            }
            () = self.stop.cancelled() => return None,
        };
        match accepted {
            Ok(Ok(stream)) => return Some(Guest { stream: Box::new(stream), from, place }),
            Ok(Err((error, socket))) => {
                self.stranger(from, &failed_handshake(&error));
                tokio::select! {
                    _ = timeout(LINGER, linger(socket)) => {}
                    () = place.lost() => {}
                    () = self.stop.cancelled() => {}
                }
            }
            Err(_) => self.stranger(from, &format!("no handshake within {limit:?}")),
        }
        None
    }

    /// A line about a peer that was never verified: its address and our own words, nothing that it sent.
    pub(crate) fn stranger(&self, from: SocketAddr, what: &str) {
        self.audit.stranger(from, what);
        match self.strangers.judge(Instant::now()) {
            Verdict::Write { left_out: 0 } => tracing::info!(%from, "refused a connection: {what}"),
            Verdict::Write { left_out } => {
                tracing::info!("refused {left_out} more connections before this one");
                tracing::info!(%from, "refused a connection: {what}");
            }
            Verdict::LeaveOut => {}
        }
    }
}

async fn linger(mut socket: TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    tokio::io::copy(&mut socket.take(LINGER_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

fn failed_handshake(error: &io::Error) -> String {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) else {
        return format!("the handshake broke off: {}", error.kind());
    };
    let (judge, reason) = tls::explain(error);
    let reason = match reason {
        Reason::NotTls => "it does not speak TLS".to_owned(),
        Reason::OldTls => "it does not speak TLS 1.3".to_owned(),
        Reason::NothingShared => "it speaks another protocol than rollcall/1".to_owned(),
        Reason::NoCertificate => "no certificate".to_owned(),
        Reason::UnknownAuthority => "a certificate of another authority".to_owned(),
        Reason::WrongRole => "a certificate that is not a controller's".to_owned(),
        Reason::Nameless => "a certificate that does not name one identity".to_owned(),
        Reason::WrongName(_) => "a certificate of another name".to_owned(),
        Reason::Expired(at) => format!("a certificate that ended at {at}"),
        Reason::NotYetValid(at) => format!("a certificate that begins at {at}"),
        Reason::OutsideDates => "a certificate outside of its dates".to_owned(),
        Reason::Revoked => "a revoked certificate".to_owned(),
        // In the library's words there may be the stranger's bytes.
        Reason::Other(_) => "a handshake or a certificate that cannot be used".to_owned(),
    };
    match judge {
        Judge::Us => reason,
        Judge::Peer => format!("it did not accept this agent: {reason}"),
    }
}
