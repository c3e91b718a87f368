//! What lies behind the door of an agent that has an owner: counts, and hands a verified peer with its stream to a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use certs::Credentials;
use certs::tls::{self, Shown};
use protocol::message::{Outcome, put_reply};
use protocol::{ALPN, MessageStream, Refusal};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::audit::{Asked, Note, Witness};
use crate::census::{Census, Counted};
use crate::config::Limits;
use crate::door::{Behind, Connection, Door, Guest};
use crate::requests::{self, Subject};
use crate::response::Response;
use crate::session::Session;

/// What a reload replaces, as one.
pub(crate) struct Settings {
    pub(crate) limits: Limits,
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
    door: Arc<Door>,
    subject: Arc<Subject>,
    census: Arc<Census>,
}

impl Server {
    pub(crate) fn new(subject: Subject) -> Server {
        let door = Arc::new(Door::recording(subject.audit.clone()));
        Server { door, subject: Arc::new(subject), census: Arc::default() }
    }

    /// What its answers are about.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Serves until `stop`, then drains; returns how many connections had to be cut.
    pub(crate) async fn serve(
        self: Arc<Server>,
        listeners: Vec<TcpListener>,
        stop: CancellationToken,
    ) -> usize {
        self.subject.audit.note(&Note { event: "started", ..Note::of(&self.subject.own.load()) });
        tokio::select! {
            () = self.door.open(&listeners, &self) => {}
            () = stop.cancelled() => {}
        }
        drop(listeners);
        self.door.stop.cancel();
        let grace = self.subject.settings.load().limits.drain;
        tracing::info!(
            "stopping: open connections: {}, waiting at most {grace:?} for them",
            self.census.total()
        );
        let cut = if self.door.drain(grace).await { 0 } else { self.census.total() };
        self.door.gone().await;
        self.subject.audit.note(&Note { event: "stopped", ..Note::of(&self.subject.own.load()) });
        self.subject.audit.finish().await;
        cut
    }

    async fn converse(
        &self,
        stream: MessageStream<Connection>,
        shown: Shown,
        witness: Arc<Witness>,
        limits: Limits,
        counted: Counted,
    ) {
        let began = Instant::now();
        let peer = Arc::clone(&witness.peer);
        let session = Session::new(stream, witness, limits, |ask, asked: &mut Asked| {
            let permitted = self.subject.permissions.borrow().admit(&peer, ask);
            match permitted.and_then(|permitted| self.subject.audit.gate().map(|()| permitted)) {
                Ok(permitted) => counted.hold(requests::answer(permitted, asked, &self.subject)),
                Err(refusal) => Response::Refused(refusal),
            }
        });
        let news = self.subject.revoked.subscribe();
        let session = session.heeding(shown, Arc::clone(&self.subject.revocations), news);
        let (tally, ended) = session.serve(self.door.stop.clone()).await;
        let (answers, refusals, lasted) = (tally.answers, tally.refusals, began.elapsed());
        match ended {
            Ok(()) => tracing::info!("answers: {answers}, refusals: {refusals}, in {lasted:.1?}"),
            Err(why) => tracing::info!("answers: {answers}, refusals: {refusals}, in {lasted:.1?}; {why}"),
        }
    }
}

impl Behind for Server {
    fn terms(&self) -> (Arc<ServerConfig>, Limits) {
        let settings = self.subject.settings.load();
        (Arc::clone(&settings.tls), settings.limits)
    }

    async fn enter(self: Arc<Server>, guest: Guest) {
        let Guest { stream, from, place } = guest;
        drop(place);
        let connection = stream.get_ref().1;
        let spoken = connection.alpn_protocol() == Some(ALPN);
        let Some(peer) = tls::peer(connection) else {
            return self.door.stranger(from, "its certificate names nobody");
        };
        let shown = Shown::on(connection);
        let span = tracing::info_span!("connection", peer = %peer.identity.name, %from);
        let limits = self.subject.settings.load().limits;
        let stream = MessageStream::new(stream, limits.frame_bytes);
        let counted = match spoken {
            true => self.census.count(&peer.identity.name, &limits),
            false => Err(Refusal::wrong_protocol()),
        };
        match counted {
            Ok(counted) => {
                let witness = Witness::new(self.subject.audit.clone(), Arc::new(peer), from);
                self.converse(stream, shown, witness, limits, counted).instrument(span).await;
            }
            Err(refusal) => {
                self.door.stranger(from, &refusal.message);
                refuse(stream, refusal, limits.write).instrument(span).await;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.subject.audit.end();
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
