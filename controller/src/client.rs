//! A conversation with one agent that proved who it is: asks, and takes what comes.

mod held;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certs::{Peer, Revocations};
use jiff::Timestamp;
use protocol::frame::FrameError;
use protocol::message::{Outcome, Reply, Untyped, put_ask, put_cancel};
use protocol::{MAX_REPLY_FRAME, MessageStream, Request};
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

use crate::error::Failure;
use crate::hosts::Host;
use crate::trace::Trace;

pub(crate) use self::held::Held;

/// How often a conversation that lasts looks for what was revoked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The answer to one of several requests, or why there is none.
pub(crate) type Several = Result<Untyped, Failure>;

/// A connection to an agent that proved who it is.
pub struct Client {
    stream: MessageStream<TlsStream<Held>>,
    greeted: Greeted,
    revocations: Arc<Revocations>,
    timeout: Duration,
    trace: Trace,
    last_id: u64,
    /// In TLS 1.3 the agent's verdict on this side's certificate comes with the first bytes, after the handshake.
    judged: bool,
}

/// What a handshake brought to light.
#[derive(Debug)]
pub struct Greeted {
    /// Who was meant.
    pub host: Host,
    /// Who asks.
    pub own: Peer,
    /// Who answers.
    pub peer: Peer,
    /// Where it answers.
    pub reached: SocketAddr,
    /// How the key was exchanged.
    pub group: String,
}

impl Client {
    pub(crate) fn new(
        stream: TlsStream<Held>,
        greeted: Greeted,
        revocations: Arc<Revocations>,
        timeout: Duration,
        trace: Trace,
    ) -> Client {
        let stream = MessageStream::new(stream, MAX_REPLY_FRAME);
        Client { stream, greeted, revocations, timeout, trace, last_id: 0, judged: false }
    }

    /// How long one answer is waited for.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What the handshake brought to light.
    pub fn greeted(&self) -> &Greeted {
        &self.greeted
    }

    /// Comes back when it is known at this desk that the agent's certificate is void: another command may have revoked it.
    pub(crate) fn revoked(&self) -> impl Future<Output = Failure> + 'static {
        let Greeted { host, peer, reached, .. } = &self.greeted;
        let (revocations, serial) = (Arc::clone(&self.revocations), peer.serial.clone());
        let revoked = Failure::revoked(host, *reached);
        async move {
            loop {
                sleep(LOOK_AGAIN).await;
                // A file that cannot be read for the moment says nothing; whoever connects next is told.
                let _ = revocations.look_again();
                if revocations.contains(&serial) {
                    return revoked;
                }
            }
        }
    }

    /// Asks and waits for the one answer.
    ///
    /// # Errors
    /// The agent refused, or the answer did not come or was no answer to this.
    pub async fn ask<R: Request>(&mut self, request: R) -> Result<R::Answer, Failure> {
        self.ask_within(request, self.timeout).await
    }

    /// The same, of something that may take longer than usual.
    ///
    /// # Errors
    /// As above.
    pub async fn ask_within<R: Request>(
        &mut self,
        request: R,
        within: Duration,
    ) -> Result<R::Answer, Failure> {
        let id = self.start(&request).await?;
        match self.next_outcome(id, within).await? {
            Outcome::Answer(answer) => self.read::<R>(answer),
            Outcome::Refusal(refusal) => Err(Failure::refused(&self.greeted.host, &refusal)),
            Outcome::Item(_) | Outcome::End => Err(self.nonsense("a stream where one answer was due")),
        }
    }

    /// Sends a request; if it is answered by a stream, [`Client::next`] takes the answers.
    ///
    /// # Errors
    /// The request could not be sent.
    pub async fn start<R: Request>(&mut self, request: &R) -> Result<u64, Failure> {
        let id = self.put(request)?;
        self.send().await?;
        Ok(id)
    }

    /// Writes a request down, to be sent with others.
    ///
    /// # Errors
    /// It is larger than any frame.
    pub(crate) fn put<R: Request>(&mut self, request: &R) -> Result<u64, Failure> {
        self.last_id += 1;
        put_ask(self.stream.outbox(), self.last_id, request).map_err(|error| self.broken(&error))?;
        self.trace.say(&self.greeted.host.label, || format!("asked {}", R::NAME));
        Ok(self.last_id)
    }

    /// Sends what was written down.
    ///
    /// # Errors
    /// The agent does not take it.
    pub(crate) async fn send(&mut self) -> Result<(), Failure> {
        let sent = timeout(self.timeout, self.stream.flush()).await;
        // A peer that has refused this side may be gone already; what it said can still be read.
        if sent.is_err() {
            return Err(Failure::not_taken(&self.greeted.host, self.timeout));
        }
        Ok(())
    }

    /// The next answer to any of several requests, each of which has one, and to which of them it is.
    ///
    /// # Errors
    /// The conversation ended, or the agent was silent for longer than `within`.
    pub(crate) async fn next_of_several(&mut self, within: Duration) -> Result<(u64, Several), Failure> {
        let reply = self.next_reply(within).await?;
        let answer = match reply.outcome {
            Outcome::Answer(answer) => Ok(answer),
            Outcome::Refusal(refusal) => Err(Failure::refused(&self.greeted.host, &refusal)),
            Outcome::Item(_) | Outcome::End => return Err(self.nonsense("a stream where one answer was due")),
        };
        match (reply.id, answer) {
            (Some(id), answer) if id <= self.last_id => Ok((id, answer)),
            (None, Err(refused)) => Err(refused),
            _ => Err(self.unasked()),
        }
    }

    /// The next answer of a stream; `None` when there will be no more.
    ///
    /// # Errors
    /// The agent refused, or was silent for longer than `within`.
    pub async fn next<R: Request>(
        &mut self,
        id: u64,
        within: Duration,
    ) -> Result<Option<R::Answer>, Failure> {
        match self.next_outcome(id, within).await? {
            Outcome::Item(item) => self.read::<R>(item).map(Some),
            Outcome::End => Ok(None),
            Outcome::Refusal(refusal) => Err(Failure::refused(&self.greeted.host, &refusal)),
            Outcome::Answer(_) => Err(self.nonsense("one answer where a stream was due")),
        }
    }

    /// Wants no more answers to this.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn cancel(&mut self, id: u64) -> Result<(), Failure> {
        put_cancel(self.stream.outbox(), id).map_err(|error| self.broken(&error))?;
        let sent = timeout(self.timeout, self.stream.flush()).await;
        sent.map_err(|_| Failure::not_taken(&self.greeted.host, self.timeout))?
            .map_err(|error| self.broken(&error))
    }

    async fn next_outcome(&mut self, id: u64, within: Duration) -> Result<Outcome<Untyped>, Failure> {
        let reply = self.next_reply(within).await?;
        match (reply.id, &reply.outcome) {
            (Some(found), _) if found == id => Ok(reply.outcome),
            (None, Outcome::Refusal(_)) => Ok(reply.outcome),
            _ => Err(self.unasked()),
        }
    }

    async fn next_reply(&mut self, within: Duration) -> Result<Reply, Failure> {
        let received = timeout(within, self.stream.receive()).await;
        let frame = received
            .map_err(|_| Failure::no_answer(&self.greeted.host, within, self.stream.is_inside_frame()))?
            .map_err(|error| self.broken(&error))?
            .ok_or_else(|| Failure::ended(&self.greeted.host))?;
        self.judged = true;
        if Timestamp::now() > self.greeted.peer.not_after {
            return Err(Failure::ended_meanwhile(&self.greeted.host, &self.greeted.peer));
        }
        self.trace.say(&self.greeted.host.label, || {
            format!("answered with {} bytes", frame.head.len() + frame.tail.len())
        });
        Reply::decode(frame).map_err(|error| self.nonsense(&error.to_string()))
    }

    pub(crate) fn read<R: Request>(&self, answer: Untyped) -> Result<R::Answer, Failure> {
        answer.read::<R>().map_err(|error| self.nonsense(&error.to_string()))
    }

    /// What is said of an answer whose request is not open.
    pub(crate) fn unasked(&self) -> Failure {
        self.nonsense("an answer to something that was not asked")
    }

    fn nonsense(&self, what: &str) -> Failure {
        Failure::nonsense(&self.greeted.host, what)
    }

    fn broken(&self, error: &io::Error) -> Failure {
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<FrameError>()) {
            return self.nonsense(&error.to_string());
        }
        let is_tls = inner.is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>());
        if is_tls && !self.judged {
            return Failure::handshake(&self.greeted.host, self.greeted.reached, &self.greeted.own, error);
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Failure::torn(&self.greeted.host, self.stream.is_inside_frame());
        }
        Failure::broken(&self.greeted.host, error)
    }
}
