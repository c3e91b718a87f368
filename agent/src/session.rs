//! A verified peer and a stream of messages: asked, answered, and again. Knows neither sockets nor TLS, so every way to
//! reach an agent ends here.

mod clock;

use std::collections::{BTreeSet, HashMap};
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use certs::tls::Shown;
use certs::{Peer, Revocations};
use futures_util::stream::StreamExt;
use protocol::frame::Frame;
use protocol::message::{BadCall, Call, Outcome, put_reply};
use protocol::{Answer, Ask, MessageStream, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::StreamMap;
use tokio_util::sync::CancellationToken;

use clock::{Clock, Due};

use crate::audit::{Asked, Witness};
use crate::config::Limits;
use crate::response::{Response, Steps};

/// For the last words of a connection, and for its end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a connection did, for the log.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answers: u64,
    pub(crate) refusals: u64,
}

/// Why a connection ended before its peer ended it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the peer went away: {}", .0.kind())]
    Broken(#[from] io::Error),
    #[error("the peer did not take its answers within {0:?}")]
    NotReading(Duration),
    #[error("the connection was ended: {}", .0.message)]
    Refused(Refusal),
}

/// What has become known of revocations since the handshake.
#[derive(Default)]
struct Heed {
    revocations: Arc<Revocations>,
    /// What the peer showed, and after how many turns of the authorities that was looked at.
    shown: Shown,
    turns: u64,
    news: Option<watch::Receiver<()>>,
}

impl Heed {
    async fn changed(&mut self) {
        match &mut self.news {
            // The sender lives as long as the agent.
            Some(news) => news.changed().await.unwrap_or_default(),
            None => pending().await,
        }
    }
}

/// Serves one connection until its peer, a limit or `stop` ends it.
pub(crate) struct Session<S, A> {
    stream: MessageStream<S>,
    peer: Arc<Peer>,
    witness: Arc<Witness>,
    limits: Limits,
    answer: A,
    in_flight: StreamMap<u64, Steps>,
    /// Those in flight that are streams.
    streams: BTreeSet<u64>,
    heed: Heed,
    /// Those in flight, as they will be recorded.
    asked: HashMap<u64, Asked>,
    tally: Tally,
    /// No more requests are taken.
    stopping: bool,
}

impl<S, A> Session<S, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Fn(Ask, &mut Asked) -> Response,
{
    /// Prepares a session in which `answer` answers.
    pub(crate) fn new(
        stream: MessageStream<S>,
        witness: Arc<Witness>,
        limits: Limits,
        answer: A,
    ) -> Session<S, A> {
        Session {
            stream,
            peer: Arc::clone(&witness.peer),
            witness,
            limits,
            answer,
            in_flight: StreamMap::new(),
            streams: BTreeSet::new(),
            heed: Heed::default(),
            asked: HashMap::new(),
            tally: Tally::default(),
            stopping: false,
        }
    }

    /// The same, but the peer's certificate may be revoked meanwhile.
    pub(crate) fn heeding(
        self,
        shown: Shown,
        revocations: Arc<Revocations>,
        news: watch::Receiver<()>,
    ) -> Session<S, A> {
        Session { heed: Heed { shown, turns: 0, revocations, news: Some(news) }, ..self }
    }

    /// Serves; what happened is told in any case.
    pub(crate) async fn serve(mut self, stop: CancellationToken) -> (Tally, Result<(), Ended>) {
        let ended = self.exchange(&stop).await;
        if let Err(Ended::Refused(refusal)) = &ended {
            // The peer hears why; whether it listens is its own affair.
            let _ = put_reply(self.stream.outbox(), None, &Outcome::Refusal(refusal.clone()));
            let _ = timeout(FAREWELL, self.stream.flush()).await;
        }
        // Whoever takes nothing will not take a farewell.
        if !matches!(ended, Err(Ended::NotReading(_))) {
            let _ = timeout(FAREWELL, self.stream.close()).await;
        }
        (self.tally, ended)
    }

    async fn exchange(&mut self, stop: &CancellationToken) -> Result<(), Ended> {
        let mut open = true;
        let mut stopped = pin!(stop.cancelled());
        let mut clock = Clock::new(&self.peer);
        let mut alarm = pin!(sleep_until(clock.quiet_since + self.limits.idle));
        loop {
            clock.check_certificate(&self.peer)?;
            self.look_at_the_peer_again()?;
            let taken = self.take_what_came()?;
            self.flush().await?;
            if self.in_flight.is_empty() && (self.stopping || !open) {
                return Ok(());
            }
            clock.frame_began = match self.stream.is_inside_frame() {
                false => None,
                true if taken == 0 => clock.frame_began.or_else(|| Some(Instant::now())),
                true => Some(Instant::now()),
            };
            let (deadline, due) = clock.deadline(&self.limits, !self.in_flight.is_empty());
            // Moving an alarm further away can wait until it rings; most connections never get that far.
            if deadline < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(deadline);
            }
            tokio::select! {
                more = self.stream.fill(), if open => match more {
                    Ok(more) => {
                        clock.quiet_since = Instant::now();
                        if !more {
                            open = false;
                            self.end_streams();
                        }
                    }
                    // A program that has its answer and exits without a word of TLS has lost nothing.
                    Err(_) if self.is_at_rest() => return Ok(()),
                    Err(error) => return Err(error.into()),
                },
                Some((id, step)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.reply(id, &step)?;
                    clock.quiet_since = Instant::now();
                }
                () = alarm.as_mut() => if Instant::now() >= deadline {
                    return Err(self.too_late(due));
                },
                () = &mut stopped, if !self.stopping => self.stop()?,
                () = self.heed.changed() => {}
            }
        }
    }

    fn look_at_the_peer_again(&mut self) -> Result<(), Ended> {
        if self.heed.revocations.contains(&self.peer.serial) {
            return Err(Ended::Refused(Refusal::revoked()));
        }
        // Also a connection that begins now: its handshake may be from before.
        let turns = self.heed.revocations.turns();
        if self.heed.turns != turns && !self.heed.revocations.believes(&self.heed.shown) {
            return Err(Ended::Refused(Refusal::believed_no_longer()));
        }
        self.heed.turns = turns;
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        self.in_flight.is_empty() && !self.stream.is_inside_frame()
    }

    fn too_late(&self, due: Due) -> Ended {
        match due {
            Due::RestOfFrame => Ended::Refused(Refusal::half_a_frame(self.limits.rest_of_frame)),
            Due::Activity => Ended::Refused(Refusal::idle(self.limits.idle)),
            Due::Certificate => Ended::Refused(Refusal::certificate_ended(self.peer.not_after)),
        }
    }

    /// Answers the frames that are here, and says how many there were.
    fn take_what_came(&mut self) -> Result<usize, Ended> {
        let mut taken = 0;
        while let Some(frame) =
            self.stream.next_ready().map_err(|error| Ended::Refused(Refusal::bad_frame(&error)))?
        {
            self.take(frame)?;
            taken += 1;
        }
        Ok(taken)
    }

    fn take(&mut self, frame: Frame) -> Result<(), Ended> {
        let sent = frame.clone();
        let (id, refusal) = match Call::decode(frame) {
            Ok(Call::Cancel { id }) => return self.cancel(id),
            Ok(Call::Ask { id, .. }) if self.in_flight.contains_key(&id) => (None, Refusal::id_in_use(id)),
            Ok(Call::Ask { id, .. }) if self.stopping => (Some(id), Refusal::shutting_down()),
            Ok(Call::Ask { id, ask }) => return self.start(id, ask, self.witness.asked(sent)),
            Err(BadCall { id, refusal }) => (id, refusal),
        };
        let mut asked = self.witness.asked(sent);
        asked.see(&Outcome::Refusal(refusal.clone()));
        match id {
            Some(id) => self.reply(id, &Outcome::Refusal(refusal)),
            None => Err(Ended::Refused(refusal)),
        }
    }

    fn cancel(&mut self, id: u64) -> Result<(), Ended> {
        match self.in_flight.remove(&id) {
            Some(_) => self.reply(id, &Outcome::Refusal(Refusal::cancelled())),
            None => Ok(()),
        }
    }

    fn start(&mut self, id: u64, ask: Ask, mut asked: Asked) -> Result<(), Ended> {
        tracing::debug!(request = ask.name(), id, "asked");
        let at_once = match (self.answer)(ask, &mut asked) {
            Response::Now(answer) => Outcome::Answer(answer),
            Response::Refused(refusal) => Outcome::Refusal(refusal),
            Response::Later(_) | Response::Stream(_)
                if self.in_flight.len() >= self.limits.requests_in_flight =>
            {
                Outcome::Refusal(Refusal::too_many_requests(self.limits.requests_in_flight))
            }
            Response::Later(steps) => {
                self.in_flight.insert(id, steps);
                self.asked.insert(id, asked);
                return Ok(());
            }
            Response::Stream(steps) => {
                self.in_flight.insert(id, steps);
                self.streams.insert(id);
                self.asked.insert(id, asked);
                return Ok(());
            }
        };
        asked.see(&at_once);
        self.reply(id, &at_once)
    }

    /// Whoever has ended his side waits for his answers, but not for ever: a stream would hold the connection.
    fn end_streams(&mut self) {
        for id in std::mem::take(&mut self.streams) {
            self.in_flight.remove(&id);
            self.asked.remove(&id);
        }
    }

    /// One answer is waited for; a stream would go on, so it ends now.
    fn stop(&mut self) -> Result<(), Ended> {
        self.stopping = true;
        for id in std::mem::take(&mut self.streams) {
            self.reply(id, &Outcome::Refusal(Refusal::shutting_down()))?;
        }
        Ok(())
    }

    fn reply(&mut self, id: u64, outcome: &Outcome<Answer>) -> Result<(), Ended> {
        match outcome {
            Outcome::End => {}
            Outcome::Answer(_) | Outcome::Item(_) => self.tally.answers += 1,
            Outcome::Refusal(refusal) => {
                tracing::debug!(id, kind = ?refusal.kind, "refused");
                self.tally.refusals += 1;
            }
        }
        if let Some(asked) = self.asked.get_mut(&id) {
            asked.see(outcome);
        }
        if !matches!(outcome, Outcome::Item(_)) {
            self.in_flight.remove(&id);
            self.streams.remove(&id);
            self.asked.remove(&id);
        }
        Ok(put_reply(self.stream.outbox(), Some(id), outcome)?)
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let limit = self.limits.write;
        let mut flushed = pin!(timeout(limit, self.stream.flush()));
        loop {
            tokio::select! {
                flushed = &mut flushed => {
                    flushed.map_err(|_| Ended::NotReading(limit))??;
                    return Ok(());
                }
                // Whoever takes nothing shall not outlive his revocation by it.
                () = self.heed.changed() => if self.heed.revocations.contains(&self.peer.serial) {
                    return Err(Ended::Refused(Refusal::revoked()));
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {

    use certs::{Algorithm, Authority, Grant, Identity, Validity};
    use jiff::{SignedDuration, Timestamp};
    use protocol::message::{Reply, put_ask};
    use protocol::requests::echo::{Echo, Echoed};
    use protocol::{Kind, MAX_REPLY_FRAME};
    use tokio::io::{DuplexStream, duplex};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::audit::Audit;
    use crate::census::Census;

    fn peer(valid_for: SignedDuration) -> Peer {
        let identity = Identity::controller("alice".parse().unwrap());
        let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
        let issued = Authority::create(Algorithm::Ed25519).unwrap().issue(Algorithm::Ed25519, &grant);
        Peer { not_after: Timestamp::now() + valid_for, ..issued.unwrap().own().clone() }
    }

    /// Echoes, at once or never or not at all, as the payload says.
    fn echo(ask: Ask, _: &mut Asked) -> Response {
        let Ask::Echo(ask) = ask else { panic!("only echoes are asked here") };
        match &ask.payload[..] {
            b"panic" => panic!("as this test wants it"),
            b"never" => Response::later(ask, |_| pending()),
            _ => Response::now(ask, |Echo { payload }| Echoed { payload }),
        }
    }

    /// Two ends: one that asks, and a session in a task of its own, counted as the server counts it.
    fn start(peer: Peer, census: &Arc<Census>, tasks: &TaskTracker) -> MessageStream<DuplexStream> {
        start_answering(peer, census, tasks, (echo, CancellationToken::new()))
    }

    fn start_answering(
        peer: Peer,
        census: &Arc<Census>,
        tasks: &TaskTracker,
        (answer, stop): (impl Fn(Ask, &mut Asked) -> Response + Send + 'static, CancellationToken),
    ) -> MessageStream<DuplexStream> {
        let (near, far) = duplex(1 << 16);
        let counted = census.count(&peer.identity.name, &Limits::default()).unwrap();
        let stream = MessageStream::new(far, 1 << 16);
        let from = "127.0.0.1:1".parse().unwrap();
        let witness = Witness::new(Audit::default(), Arc::new(peer), from);
        let session = Session::new(stream, witness, Limits::default(), answer);
        tasks.spawn(async move {
            let _counted = counted;
            let _ = session.serve(stop).await;
        });
        MessageStream::new(near, MAX_REPLY_FRAME)
    }

    async fn ask(wire: &mut MessageStream<DuplexStream>, payload: &'static str) -> Option<Reply> {
        put_ask(wire.outbox(), 1, &Echo { payload: payload.into() }).unwrap();
        wire.flush().await.unwrap();
        Some(Reply::decode(wire.receive().await.unwrap()?).unwrap())
    }

    #[tokio::test]
    async fn a_panic_ends_one_connection_and_is_counted_out() {
        let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
        let hour = SignedDuration::from_hours(1);
        let mut unlucky = start(peer(hour), &census, &tasks);
        let mut other = start(peer(hour), &census, &tasks);
        assert_eq!(census.total(), 2);
        assert!(ask(&mut unlucky, "panic").await.is_none());
        assert!(matches!(ask(&mut other, "hello").await.unwrap().outcome, Outcome::Answer(_)));
        assert_eq!(census.total(), 1);
    }

    async fn ended_by_certificate(wire: &mut MessageStream<DuplexStream>) {
        let reply = Reply::decode(wire.receive().await.unwrap().unwrap()).unwrap();
        match reply.outcome {
            Outcome::Refusal(refusal) => assert_eq!((reply.id, refusal.kind), (None, Kind::CertificateEnded)),
            other => panic!("{other:?}"),
        }
        assert!(wire.receive().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_certificate_that_ends_ends_its_open_connection() {
        let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
        let moment = SignedDuration::from_millis(100);
        let mut idle = start(peer(moment), &census, &tasks);
        let mut busy = start(peer(moment), &census, &tasks);
        put_ask(busy.outbox(), 1, &Echo { payload: "never".into() }).unwrap();
        busy.flush().await.unwrap();
        ended_by_certificate(&mut idle).await;
        ended_by_certificate(&mut busy).await;
        let mut late = start(peer(-moment), &census, &tasks);
        ended_by_certificate(&mut late).await;
    }

    #[tokio::test]
    async fn a_quick_answer_overtakes_a_slow_one_and_the_slow_one_is_waited_for() {
        let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
        let (stop, released) = (CancellationToken::new(), CancellationToken::new());
        let release = released.clone();
        let answer = move |ask, asked: &mut Asked| match ask {
            Ask::Echo(ask) if ask.payload == "slow" => {
                let released = released.clone();
                Response::later(ask, |Echo { payload }| async move {
                    released.cancelled().await;
                    Ok(Echoed { payload })
                })
            }
            ask => echo(ask, asked),
        };
        let answering = (answer, stop.clone());
        let mut wire = start_answering(peer(SignedDuration::from_hours(1)), &census, &tasks, answering);
        for (id, payload) in [(1, "slow"), (2, "quick")] {
            put_ask(wire.outbox(), id, &Echo { payload: payload.into() }).unwrap();
        }
        wire.flush().await.unwrap();
        let next = async |wire: &mut MessageStream<DuplexStream>| {
            Reply::decode(wire.receive().await.unwrap().unwrap()).unwrap()
        };
        assert_eq!(next(&mut wire).await.id, Some(2));

        stop.cancel();
        tokio::task::yield_now().await;
        put_ask(wire.outbox(), 3, &Echo { payload: "late".into() }).unwrap();
        wire.flush().await.unwrap();
        let late = next(&mut wire).await;
        assert!(
            matches!(late.outcome, Outcome::Refusal(Refusal { kind: Kind::ShuttingDown, .. })),
            "{late:?}"
        );
        release.cancel();
        assert!(matches!(next(&mut wire).await, Reply { id: Some(1), outcome: Outcome::Answer(_) }));
        assert!(wire.receive().await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_stream_of_frames_is_no_half_frame() {
        let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
        let mut wire = start(peer(SignedDuration::from_hours(1)), &census, &tasks);
        let mut bytes = Vec::new();
        put_ask(&mut bytes, 1, &Echo { payload: "hello".into() }).unwrap();
        let (first, rest) = bytes.split_at(3);
        wire.outbox().extend_from_slice(first);
        // Every write ends inside the next frame, for far longer than one frame may take.
        for _ in 0..30 {
            wire.outbox().extend_from_slice(rest);
            wire.outbox().extend_from_slice(first);
            wire.flush().await.unwrap();
            let reply = Reply::decode(wire.receive().await.unwrap().unwrap()).unwrap();
            assert!(matches!(reply.outcome, Outcome::Answer(_)), "{reply:?}");
            tokio::time::sleep(Limits::default().rest_of_frame / 3).await;
        }
    }
}
