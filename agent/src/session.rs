//! A verified peer and a stream of messages: asked, answered, and again. Knows neither sockets nor TLS, so every way to
//! reach an agent ends here.

mod clock;
#[cfg(test)]
mod tests;

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
    /// A stream was asked for: people read those, as slowly as people do.
    is_read_slowly: bool,
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
            is_read_slowly: false,
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
                self.is_read_slowly = true;
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
        let Limits { write, idle, .. } = self.limits;
        let limit = if self.is_read_slowly { write.max(idle) } else { write };
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
