//! An authority, an agent, and peers of every kind.

use std::net::SocketAddr;

use agent::cli::{Cli, Verb};
use agent::config::{Config, Limits, Policy};
use agent::{Agent, Reload};
use certs::tls::{self, ClientSide};
use certs::{Algorithm, Authority, Credentials, Grant, Identity, Validity};
use clap::Parser;
use protocol::message::{Outcome, Reply, Untyped, put_ask};
use protocol::{ALPN, MAX_REPLY_FRAME, MessageStream, Request};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) struct Site {
    pub(crate) authority: Authority,
    pub(crate) address: SocketAddr,
    pub(crate) reload: Reload,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<usize>,
    _stop: DropGuard,
}

pub(crate) type Wire = MessageStream<TlsStream<TcpStream>>;

impl Site {
    pub(crate) async fn new(limits: Limits) -> Site {
        Site::with(Policy { limits, ..Policy::default() }).await
    }

    pub(crate) async fn with(policy: Policy) -> Site {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let agent = Agent::on(&agent_credentials(&authority, "web-1"), vec![listener], policy).unwrap();
        let stop = CancellationToken::new();
        Site {
            address: agent.addresses()[0],
            reload: agent.reload(),
            serving: tokio::spawn(agent.serve(stop.clone())),
            _stop: stop.clone().drop_guard(),
            stop,
            authority,
        }
    }

    /// A verified connection of `name`.
    pub(crate) async fn connect(&self, name: &str) -> Wire {
        self.connect_from("127.0.0.1", name).await
    }

    pub(crate) async fn connect_from(&self, source: &str, name: &str) -> Wire {
        shake_hands(&self.authority, name, self.socket_from(source).await).await
    }

    /// A connection that has said nothing yet.
    pub(crate) async fn socket_from(&self, source: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        socket.connect(self.address).await.unwrap()
    }
}

/// Makes a verified connection of `name` from one that has said nothing yet.
pub(crate) async fn shake_hands(authority: &Authority, name: &str, socket: TcpStream) -> Wire {
    let identity = Identity::controller(name.parse().unwrap());
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
    let credentials = authority.issue(Algorithm::Ed25519, &grant).unwrap();
    let config = ClientSide::new(&credentials, ALPN).unwrap().config(None);
    let dialled = ServerName::try_from("web-1").unwrap();
    let stream = TlsConnector::from(config).connect(dialled, socket).await.unwrap();
    MessageStream::new(stream, MAX_REPLY_FRAME)
}

pub(crate) fn agent_credentials(authority: &Authority, name: &str) -> Credentials {
    let identity = Identity::agent(name.parse().unwrap());
    let addresses = ["127.0.0.1".parse().unwrap(), "web-1".parse().unwrap()];
    let grant = Grant { identity: &identity, teams: &[], addresses: &addresses, validity: Validity::days(1) };
    authority.issue(Algorithm::Ed25519, &grant).unwrap()
}

/// Sends a request without waiting for its answer.
pub(crate) async fn send<R: Request>(wire: &mut Wire, id: u64, request: R) {
    put_ask(wire.outbox(), id, &request).unwrap();
    wire.flush().await.unwrap();
}

/// Sends a head as it is.
pub(crate) async fn send_head(wire: &mut Wire, head: &str) {
    let length = u32::try_from(head.len()).unwrap();
    wire.outbox().extend_from_slice(&(length + 4).to_be_bytes());
    wire.outbox().extend_from_slice(&length.to_be_bytes());
    wire.outbox().extend_from_slice(head.as_bytes());
    wire.flush().await.unwrap();
}

/// The next reply, or `None` when the agent has ended the connection.
pub(crate) async fn receive(wire: &mut Wire) -> Option<(Option<u64>, Outcome<Untyped>)> {
    let frame = wire.receive().await.unwrap()?;
    let reply = Reply::decode(frame).unwrap();
    Some((reply.id, reply.outcome))
}

/// Asks and takes the one answer.
pub(crate) async fn ask<R: Request>(wire: &mut Wire, id: u64, request: R) -> R::Answer {
    send(wire, id, request).await;
    match receive(wire).await {
        Some((Some(found), Outcome::Answer(answer))) if found == id => answer.read::<R>().unwrap(),
        other => panic!("not an answer: {other:?}"),
    }
}

/// The refusal that comes next, with its id.
pub(crate) async fn refusal(wire: &mut Wire) -> (Option<u64>, protocol::Refusal) {
    match receive(wire).await {
        Some((id, Outcome::Refusal(refusal))) => (id, refusal),
        other => panic!("not a refusal: {other:?}"),
    }
}

/// Whom the other side proved to be.
pub(crate) async fn presented(site: &Site) -> String {
    let identity = Identity::controller("alice".parse().unwrap());
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
    let credentials = site.authority.issue(Algorithm::Ed25519, &grant).unwrap();
    let config = ClientSide::new(&credentials, ALPN).unwrap().config(None);
    let socket = TcpStream::connect(site.address).await.unwrap();
    let dialled = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(config).connect(dialled, socket).await.unwrap();
    tls::peer(stream.get_ref().1).unwrap().identity.name.to_string()
}

/// Floods need more descriptors than the usual soft limit.
pub(crate) fn many_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// What `agent run` would decide with these flags.
pub(crate) fn config(flags: &[&str]) -> Config {
    match Cli::parse_from([&["agent", "run"], flags].concat()).verb {
        Verb::Run(flags) => Config::decide(&flags).unwrap(),
        other => panic!("not `run`: {other:?}"),
    }
}
