//! A verified peer and a stream of messages: asked, answered, and again. Knows neither sockets nor TLS, so every way to
//! reach an agent ends here.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use certs::Peer;
use futures_util::stream::{BoxStream, StreamExt, once};
use jiff::Timestamp;
use protocol::frame::Frame;
use protocol::message::{BadCall, Call, Outcome, put_reply};
use protocol::{Answer, Ask, MessageStream, Refusal, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::StreamMap;
use tokio_util::sync::CancellationToken;

use crate::config::Limits;

/// How a request gets answered.
pub(crate) enum Response {
    /// Here it is: for what takes microseconds.
    Now(Result<Answer, Refusal>),
    /// In a while, or again and again. The last step is an answer, an end or a refusal.
    Later(BoxStream<'static, Outcome<Answer>>),
}

impl Response {
    /// An answer that is ready.
    pub(crate) fn now<R: Request>(result: Result<R::Answer, Refusal>) -> Response {
        Response::Now(result.map(R::into_answer))
    }

    /// An answer that somebody must wait for.
    pub(crate) fn later<R: Request>(
        answer: impl Future<Output = Result<R::Answer, Refusal>> + Send + 'static,
    ) -> Response {
        let step = async {
            answer.await.map_or_else(Outcome::Refusal, |answer| Outcome::Answer(R::into_answer(answer)))
        };
        Response::Later(once(step).boxed())
    }

    /// An answer that is a stream.
    pub(crate) fn stream<R: Request>(
        items: impl futures_util::Stream<Item = Result<R::Answer, Refusal>> + Send + 'static,
    ) -> Response {
        let step = |item: Result<R::Answer, Refusal>| {
            item.map_or_else(Outcome::Refusal, |item| Outcome::Item(R::into_answer(item)))
        };
        Response::Later(items.map(step).chain(once(async { Outcome::End })).boxed())
    }
}

/// What a connection did, for the log.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
}

/// Why a connection ended before its peer ended it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("the peer did not take its answers within {0:?}")]
    NotReading(Duration),
    #[error("nothing happened for {0:?}")]
    Idle(Duration),
    #[error("the connection was ended: {}", .0.message)]
    Refused(Refusal),
}

/// Serves one connection until its peer, a limit or `stop` ends it.
pub(crate) struct Session<S, A> {
    stream: MessageStream<S>,
    peer: Peer,
    limits: Limits,
    answer: A,
    in_flight: StreamMap<u64, BoxStream<'static, Outcome<Answer>>>,
    tally: Tally,
}

impl<S, A> Session<S, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Fn(Ask) -> Response,
{
    /// Prepares a session in which `answer` answers.
    pub(crate) fn new(stream: MessageStream<S>, peer: Peer, limits: Limits, answer: A) -> Session<S, A> {
        Session { stream, peer, limits, answer, in_flight: StreamMap::new(), tally: Tally::default() }
    }

    /// Serves; what happened is told in any case.
    pub(crate) async fn serve(mut self, stop: CancellationToken) -> (Tally, Result<(), Ended>) {
        let ended = self.exchange(&stop).await;
        if let Err(Ended::Refused(refusal)) = &ended {
            // The peer hears why; whether it listens is its own affair.
            let _ = put_reply(self.stream.outbox(), None, &Outcome::Refusal(refusal.clone()));
            let _ = self.flush().await;
        }
        let _ = timeout(self.limits.write, self.stream.close()).await;
        (self.tally, ended)
    }

    async fn exchange(&mut self, stop: &CancellationToken) -> Result<(), Ended> {
        let mut open = true;
        let mut stopping = false;
        let mut stopped = pin!(stop.cancelled());
        let mut quiet_since = Instant::now();
        let mut frame_began = None;
        let mut alarm = pin!(sleep_until(quiet_since + self.limits.idle));
        loop {
            self.take_what_came(stopping)?;
            self.flush().await?;
            self.stream.rest();
            if self.in_flight.is_empty() && (stopping || !open) {
                return Ok(());
            }
            frame_began = self.stream.is_inside_frame().then(|| frame_began.unwrap_or_else(Instant::now));
            let deadline = self.deadline(quiet_since, frame_began);
            // Moving an alarm further away can wait until it rings; most connections never get that far.
            if deadline < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(deadline);
            }
            tokio::select! {
                more = self.stream.fill(), if open => match more {
                    Ok(more) => {
                        open = more;
                        quiet_since = Instant::now();
                    }
                    // A program that has its answer and exits without a word of TLS has lost nothing.
                    Err(_) if self.is_at_rest() => return Ok(()),
                    Err(error) => return Err(error.into()),
                },
                Some((id, step)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.reply(id, &step)?;
                    quiet_since = Instant::now();
                }
                () = alarm.as_mut() => if Instant::now() >= deadline {
                    return Err(self.too_late());
                },
                () = &mut stopped, if !stopping => stopping = true,
            }
        }
    }

    fn deadline(&self, quiet_since: Instant, frame_began: Option<Instant>) -> Instant {
        match frame_began {
            Some(began) => began + self.limits.rest_of_frame,
            None if self.in_flight.is_empty() => quiet_since + self.limits.idle,
            None => Instant::now() + self.limits.idle,
        }
    }

    fn is_at_rest(&self) -> bool {
        self.in_flight.is_empty() && !self.stream.is_inside_frame()
    }

    fn too_late(&self) -> Ended {
        if self.stream.is_inside_frame() {
            Ended::Refused(Refusal::half_a_frame(self.limits.rest_of_frame))
        } else {
            Ended::Idle(self.limits.idle)
        }
    }

    fn take_what_came(&mut self, stopping: bool) -> Result<(), Ended> {
        while let Some(frame) =
            self.stream.next_ready().map_err(|error| Ended::Refused(Refusal::bad_frame(&error)))?
        {
            if Timestamp::now() > self.peer.not_after {
                return Err(Ended::Refused(Refusal::certificate_ended(self.peer.not_after)));
            }
            self.take(frame, stopping)?;
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame, stopping: bool) -> Result<(), Ended> {
        match Call::decode(frame) {
            Ok(Call::Ask { id, .. }) if self.in_flight.contains_key(&id) => {
                Err(Ended::Refused(Refusal::id_in_use(id)))
            }
            Ok(Call::Ask { id, .. }) if stopping => {
                self.reply(id, &Outcome::Refusal(Refusal::shutting_down()))
            }
            Ok(Call::Ask { id, ask }) => self.start(id, ask),
            Ok(Call::Cancel { id }) => match self.in_flight.remove(&id) {
                Some(_) => self.reply(id, &Outcome::Refusal(Refusal::cancelled())),
                None => Ok(()),
            },
            Err(BadCall { id: Some(id), refusal }) => self.reply(id, &Outcome::Refusal(refusal)),
            Err(BadCall { id: None, refusal }) => Err(Ended::Refused(refusal)),
        }
    }

    fn start(&mut self, id: u64, ask: Ask) -> Result<(), Ended> {
        tracing::debug!(request = ask.name(), id, "asked");
        match (self.answer)(ask) {
            Response::Now(Ok(answer)) => self.reply(id, &Outcome::Answer(answer)),
            Response::Now(Err(refusal)) => self.reply(id, &Outcome::Refusal(refusal)),
            Response::Later(_) if self.in_flight.len() >= self.limits.requests_in_flight => {
                let refusal = Refusal::too_many_requests(self.limits.requests_in_flight);
                self.reply(id, &Outcome::Refusal(refusal))
            }
            Response::Later(steps) => {
                self.in_flight.insert(id, steps);
                Ok(())
            }
        }
    }

    fn reply(&mut self, id: u64, outcome: &Outcome<Answer>) -> Result<(), Ended> {
        match outcome {
            Outcome::Item(_) => {}
            Outcome::Answer(_) | Outcome::End => self.tally.answered += 1,
            Outcome::Refusal(refusal) => {
                tracing::debug!(id, kind = ?refusal.kind, "refused");
                self.tally.refused += 1;
            }
        }
        if !matches!(outcome, Outcome::Item(_)) {
            self.in_flight.remove(&id);
        }
        Ok(put_reply(self.stream.outbox(), Some(id), outcome)?)
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let limit = self.limits.write;
        timeout(limit, self.stream.flush()).await.map_err(|_| Ended::NotReading(limit))??;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use certs::Identity;
    use jiff::SignedDuration;
    use protocol::message::{Reply, put_ask};
    use protocol::requests::echo::{Echo, Echoed};
    use protocol::{Kind, MAX_REPLY_FRAME};
    use tokio::io::{DuplexStream, duplex};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::census::Census;

    fn peer(valid_for: SignedDuration) -> Peer {
        let identity = Identity::controller("alice".parse().unwrap());
        let now = Timestamp::now();
        Peer { identity, not_before: now - SignedDuration::from_hours(1), not_after: now + valid_for }
    }

    fn echo(ask: Ask) -> Response {
        match ask {
            Ask::Echo(Echo { payload }) if payload == "panic" => panic!("as this test wants it"),
            Ask::Echo(Echo { payload }) => Response::now::<Echo>(Ok(Echoed { payload })),
            _ => Response::now::<Echo>(Err(Refusal::cancelled())),
        }
    }

    /// Two ends: one that asks, and a session in a task of its own, counted as the server counts it.
    fn start(peer: Peer, census: &Arc<Census>, tasks: &TaskTracker) -> MessageStream<DuplexStream> {
        let (near, far) = duplex(1 << 16);
        let counted = census.count(&peer.identity.name, &Limits::default()).unwrap();
        let stream = MessageStream::new(far, 1 << 16);
        let session = Session::new(stream, peer, Limits::default(), echo);
        tasks.spawn(async move {
            let _counted = counted;
            let _ = session.serve(CancellationToken::new()).await;
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

    #[tokio::test]
    async fn a_certificate_that_ends_ends_its_open_connection() {
        let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
        let mut wire = start(peer(SignedDuration::from_secs(-1)), &census, &tasks);
        let reply = ask(&mut wire, "hello").await.unwrap();
        match reply.outcome {
            Outcome::Refusal(refusal) => assert_eq!((reply.id, refusal.kind), (None, Kind::CertificateEnded)),
            other => panic!("{other:?}"),
        }
        assert!(wire.receive().await.unwrap().is_none());
    }
}
