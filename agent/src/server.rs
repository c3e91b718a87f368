//! Direct TCP: accepts, shakes hands, counts, and hands a verified peer with its stream to a session.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use certs::tls::{self, Judge, Reason};
use certs::{Credentials, Peer};
use protocol::message::{Outcome, put_reply};
use protocol::{ALPN, MessageStream, Refusal};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::admission::{Admission, Place};
use crate::census::{Census, Counted};
use crate::config::Limits;
use crate::permissions::Permissions;
use crate::requests::{self, Subject};
use crate::response::Response;
use crate::session::Session;
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
type Connection = Box<TlsStream<TcpStream>>;

/// What a reload replaces, as one.
pub(crate) struct Settings {
    limits: Limits,
    tls: Arc<ServerConfig>,
}

impl Settings {
    pub(crate) fn new(credentials: &Credentials, limits: Limits) -> Result<Settings, certs::Error> {
        let tls = Arc::new(tls::server_config(credentials, ALPN)?);
        Ok(Settings { limits, tls })
    }
}

/// What all connections share.
pub(crate) struct Server {
    settings: ArcSwap<Settings>,
    subject: Arc<Subject>,
    census: Arc<Census>,
    /// Every connection's task.
    tasks: TaskTracker,
    /// Ends connections once they have answered what they were asked.
    stop: CancellationToken,
    /// Ends them at once.
    halt: CancellationToken,
    admission: Arc<Admission>,
    strangers: Throttle,
    failed_accepts: Throttle,
}

impl Server {
    pub(crate) fn new(settings: Settings, subject: Subject) -> Server {
        Server {
            settings: ArcSwap::from_pointee(settings),
            subject: Arc::new(subject),
            census: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            halt: CancellationToken::new(),
            admission: Arc::default(),
            strangers: Throttle::default(),
            failed_accepts: Throttle::default(),
        }
    }

    /// Whose identity it shows.
    pub(crate) fn own(&self) -> Peer {
        Peer::clone(&self.subject.own.load())
    }

    /// Takes new settings for connections to come, and permissions for all.
    pub(crate) fn take(&self, settings: Settings, own: Peer, permissions: Permissions) {
        self.subject.own.store(Arc::new(own));
        self.subject.permissions.store(Arc::new(permissions));
        self.settings.store(Arc::new(settings));
    }

    /// Serves until `stop`, then drains; returns how many connections had to be cut.
    pub(crate) async fn serve(
        self: Arc<Server>,
        listeners: Vec<TcpListener>,
        stop: CancellationToken,
    ) -> usize {
        let accepting = TaskTracker::new();
        for listener in listeners {
            accepting.spawn(Arc::clone(&self).accept(listener));
        }
        stop.cancelled().await;
        self.stop.cancel();
        accepting.close();
        accepting.wait().await;
        let grace = self.settings.load().limits.drain;
        tracing::info!(
            "stopping: open connections: {}, waiting at most {grace:?} for them",
            self.census.total()
        );
        self.tasks.close();
        let cut = match timeout(grace, self.tasks.wait()).await {
            Ok(()) => 0,
            Err(_) => self.census.total(),
        };
        self.halt.cancel();
        self.tasks.wait().await;
        cut
    }

    /// Takes connections until told to stop. Never waits for a peer.
    async fn accept(self: Arc<Server>, listener: TcpListener) {
        while let Some(accepted) = self.stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((socket, from)) => self.welcome(socket, from),
                Err(error) => self.accept_failed(&error).await,
            }
        }
    }

    fn welcome(self: &Arc<Server>, socket: TcpStream, from: SocketAddr) {
        let settings = self.settings.load_full();
        let place = self.admission.admit(from.ip(), settings.limits.unverified);
        let server = Arc::clone(self);
        self.spawn(async move { server.shake_hands(socket, from, settings, place).await });
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
        self: Arc<Server>,
        socket: TcpStream,
        from: SocketAddr,
        settings: Arc<Settings>,
        mut place: Place,
    ) {
        let limit = settings.limits.handshake;
        // Small answers must not wait for the peer's acknowledgement of the one before.
        let _ = socket.set_nodelay(true);
        // A peer that vanished without a word must not keep its place for ever.
        let _ = set_socket_keepalive(&socket, true);
        let _ = set_tcp_keepidle(&socket, KEEPALIVE);
        let accepting = TlsAcceptor::from(Arc::clone(&settings.tls)).accept(socket).into_fallible();
        let accepted = tokio::select! {
            accepted = timeout(limit, accepting) => accepted,
            () = place.lost() => return self.stranger(from, "dropped: too many are waiting for a handshake"),
            () = self.stop.cancelled() => return,
        };
        match accepted {
            // A second, smaller task: the handshake's memory goes back before the session begins.
            Ok(Ok(stream)) => self.spawn(Arc::clone(&self).verified(Box::new(stream), from, settings)),
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
    }

    async fn verified(self: Arc<Server>, stream: Connection, from: SocketAddr, settings: Arc<Settings>) {
        let connection = stream.get_ref().1;
        let spoken = connection.alpn_protocol() == Some(ALPN);
        let Some(peer) = tls::peer(connection) else {
            return self.stranger(from, "its certificate names nobody");
        };
        let span = tracing::info_span!("connection", peer = %peer.identity.name, %from);
        let limits = settings.limits;
        let stream = MessageStream::new(stream, limits.frame_bytes);
        let counted = match spoken {
            true => self.census.count(&peer.identity.name, &limits),
            false => Err(Refusal::wrong_protocol()),
        };
        match counted {
            Ok(counted) => self.converse(stream, peer, limits, counted).instrument(span).await,
            Err(refusal) => {
                self.stranger(from, &refusal.message);
                refuse(stream, refusal, limits.write).instrument(span).await;
            }
        }
    }

    async fn converse(
        &self,
        stream: MessageStream<Connection>,
        peer: Peer,
        limits: Limits,
        _counted: Counted,
    ) {
        let began = Instant::now();
        let peer = Arc::new(peer);
        let session = Session::new(stream, Arc::clone(&peer), limits, |ask| {
            match self.subject.permissions.load().admit(&peer, ask) {
                Ok(permitted) => requests::answer(permitted, &self.subject),
                Err(refusal) => Response::Refused(refusal),
            }
        });
        let (tally, ended) = session.serve(self.stop.clone()).await;
        let (answers, refusals, lasted) = (tally.answers, tally.refusals, began.elapsed());
        match ended {
            Ok(()) => tracing::info!("answers: {answers}, refusals: {refusals}, in {lasted:.1?}"),
            Err(why) => tracing::info!("answers: {answers}, refusals: {refusals}, in {lasted:.1?}; {why}"),
        }
    }

    /// A line about a peer that was never verified: its address and our own words, nothing that it sent.
    fn stranger(&self, from: SocketAddr, what: &str) {
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

async fn refuse(mut stream: MessageStream<Connection>, refusal: Refusal, limit: Duration) {
    let _ = put_reply(stream.outbox(), None, &Outcome::Refusal(refusal));
    let _ = timeout(limit, async {
        stream.flush().await?;
        stream.close().await
    })
    .await;
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
