//! One host: looks it up, connects, shakes hands, asks. Every stage has its own limit and its own words when it fails.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certs::tls::{self, ClientSide};
use certs::{Address, Credentials, Peer};
use jiff::Timestamp;
use protocol::frame::FrameError;
use protocol::message::{Outcome, Reply, Untyped, put_ask, put_cancel};
use protocol::{ALPN, MAX_REPLY_FRAME, MessageStream, Request};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::error::{Failure, Trouble};
use crate::hosts::{Endpoint, Host};
use crate::trace::Trace;

/// A connection to an agent that proved who it is.
pub struct Client {
    stream: MessageStream<TlsStream<TcpStream>>,
    host: Host,
    own: Peer,
    peer: Peer,
    reached: SocketAddr,
    timeout: Duration,
    trace: Trace,
    last_id: u64,
    /// In TLS 1.3 the agent's verdict on this side's certificate comes with the first bytes, after the handshake.
    judged: bool,
}

impl Client {
    /// Goes through all stages up to a verified agent.
    ///
    /// # Errors
    /// The stage that failed, and why.
    pub async fn connect(
        host: &Host,
        credentials: &Credentials,
        limit: Duration,
        trace: Trace,
    ) -> Result<Client, Trouble> {
        let side = ClientSide::new(credentials, ALPN)?;
        let own = credentials.own().clone();
        let (socket, reached, endpoint) = reach(host, limit, trace).await?;
        let config = Arc::new(side.config(host.expected.clone())?);
        let dialled = match &endpoint.address {
            Address::Ip(ip) => ServerName::from(*ip),
            Address::Dns(name) => ServerName::DnsName(name.clone()),
        };
        let shaken = timeout(limit, TlsConnector::from(config).connect(dialled, socket)).await;
        let stream = shaken
            .map_err(|_| Failure::silent_handshake(host, reached, limit))?
            .map_err(|error| Failure::handshake(host, reached, &own, &error))?;
        let connection = stream.get_ref().1;
        let peer = tls::peer(connection).ok_or_else(|| Failure::nameless(host, reached))?;
        trace.say(|| {
            let group = connection.negotiated_key_exchange_group().map(|group| group.name());
            format!("TLS 1.3 agreed with {}", group.map_or_else(String::new, |group| format!("{group:?}")))
        });
        trace.say(|| format!("it is {} until {}", peer.identity, peer.not_after));
        let stream = MessageStream::new(stream, MAX_REPLY_FRAME);
        let host = host.clone();
        Ok(Client { stream, host, own, peer, reached, timeout: limit, trace, last_id: 0, judged: false })
    }

    /// Where it answers.
    pub fn reached(&self) -> SocketAddr {
        self.reached
    }

    /// Asks and waits for the one answer.
    ///
    /// # Errors
    /// The agent refused, or the answer did not come or was no answer to this.
    pub async fn ask<R: Request>(&mut self, request: R) -> Result<R::Answer, Failure> {
        let id = self.start(&request).await?;
        match self.next_outcome(id, self.timeout).await? {
            Outcome::Answer(answer) => self.read::<R>(answer),
            Outcome::Refusal(refusal) => Err(Failure::refused(&self.host, &refusal)),
            Outcome::Item(_) | Outcome::End => Err(self.nonsense("a stream where one answer was due")),
        }
    }

    /// Sends a request; if it is answered by a stream, [`Client::next`] takes the answers.
    ///
    /// # Errors
    /// The request could not be sent.
    pub async fn start<R: Request>(&mut self, request: &R) -> Result<u64, Failure> {
        self.last_id += 1;
        put_ask(self.stream.outbox(), self.last_id, request).map_err(|error| self.broken(&error))?;
        let sent = timeout(self.timeout, self.stream.flush()).await;
        // A peer that has refused this side may be gone already; what it said can still be read.
        if sent.is_err() {
            return Err(Failure::not_taken(&self.host, self.timeout));
        }
        self.trace.say(|| format!("asked {}", R::NAME));
        Ok(self.last_id)
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
            Outcome::Refusal(refusal) => Err(Failure::refused(&self.host, &refusal)),
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
        sent.map_err(|_| Failure::not_taken(&self.host, self.timeout))?.map_err(|error| self.broken(&error))
    }

    async fn next_outcome(&mut self, id: u64, within: Duration) -> Result<Outcome<Untyped>, Failure> {
        let received = timeout(within, self.stream.receive()).await;
        let frame = received
            .map_err(|_| Failure::no_answer(&self.host, within, self.stream.is_inside_frame()))?
            .map_err(|error| self.broken(&error))?
            .ok_or_else(|| Failure::ended(&self.host))?;
        self.judged = true;
        if Timestamp::now() > self.peer.not_after {
            return Err(Failure::ended_meanwhile(&self.host, &self.peer));
        }
        self.trace.say(|| format!("answered with {} bytes", frame.head.len() + frame.tail.len()));
        let reply = Reply::decode(frame).map_err(|error| self.nonsense(&error.to_string()))?;
        match (reply.id, &reply.outcome) {
            (Some(found), _) if found == id => Ok(reply.outcome),
            (None, Outcome::Refusal(_)) => Ok(reply.outcome),
            _ => Err(self.nonsense("an answer to something that was not asked")),
        }
    }

    fn read<R: Request>(&self, answer: Untyped) -> Result<R::Answer, Failure> {
        answer.read::<R>().map_err(|error| self.nonsense(&error.to_string()))
    }

    fn nonsense(&self, what: &str) -> Failure {
        Failure::nonsense(&self.host, what)
    }

    fn broken(&self, error: &io::Error) -> Failure {
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<FrameError>()) {
            return self.nonsense(&error.to_string());
        }
        let is_tls = inner.is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>());
        if is_tls && !self.judged {
            return Failure::handshake(&self.host, self.reached, &self.own, error);
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Failure::torn(&self.host, self.stream.is_inside_frame());
        }
        Failure::broken(&self.host, error)
    }
}

/// Looks up and connects, one address after the other.
async fn reach(
    host: &Host,
    limit: Duration,
    trace: Trace,
) -> Result<(TcpStream, SocketAddr, &Endpoint), Failure> {
    let mut last = None;
    for endpoint in &host.endpoints {
        match reach_endpoint(host, endpoint, limit, trace).await {
            Ok((socket, reached)) => return Ok((socket, reached, endpoint)),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::lookup(host, &host.label, "it has no address")))
}

async fn reach_endpoint(
    host: &Host,
    endpoint: &Endpoint,
    limit: Duration,
    trace: Trace,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let addresses = look_up(host, endpoint, limit).await?;
    trace.say(|| {
        let found: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        format!("{} is at {}", host.label, found.join(", "))
    });
    let mut failure = Failure::lookup(host, &endpoint.address.to_string(), "it has no address");
    for address in addresses {
        let began = Instant::now();
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                trace.say(|| format!("connected to {address} in {:.1?}", began.elapsed()));
                // A request is small and must not wait for the acknowledgement of the one before.
                let _ = socket.set_nodelay(true);
                return Ok((socket, address));
            }
            Ok(Err(error)) => failure = Failure::connect(host, address, &error),
            Err(_) => failure = Failure::connect_timed_out(host, address, limit),
        }
    }
    Err(failure)
}

async fn look_up(host: &Host, endpoint: &Endpoint, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let name = match &endpoint.address {
        Address::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, endpoint.port)]),
        Address::Dns(name) => name.as_ref().to_owned(),
    };
    match timeout(limit, lookup_host((name.as_str(), endpoint.port))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => Err(Failure::lookup(host, &name, &error.to_string())),
        Err(_) => Err(Failure::lookup_unanswered(host, &name, &format!("no answer within {limit:?}"))),
    }
}
