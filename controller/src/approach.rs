//! The way to one host, stage by stage: looks up, connects, shakes hands. Every stage has its own limit and its own words
//! when it fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certs::tls::{self, ClientSide};
use certs::{Address, Credentials, Peer};
use protocol::ALPN;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{Client, Greeted, Held};
use crate::error::{Failure, Trouble, USE_YOUR_OWN};
use crate::hosts::{Endpoint, Host};
use crate::trace::Trace;

/// Who goes where, before the first byte.
pub struct Approach<'a> {
    host: &'a Host,
    side: ClientSide,
    credentials: &'a Credentials,
    limit: Duration,
    trace: Trace,
}

impl<'a> Approach<'a> {
    /// Prepares what all stages share.
    ///
    /// # Errors
    /// These credentials are not a controller's.
    pub fn new(
        host: &'a Host,
        credentials: &'a Credentials,
        limit: Duration,
        trace: Trace,
    ) -> Result<Approach<'a>, Trouble> {
        let side = ClientSide::new(credentials, ALPN)
            .map_err(|error| Trouble::Here(error.to_string(), USE_YOUR_OWN.to_owned()))?;
        Ok(Approach::with(host, credentials, side, limit, trace))
    }

    /// The same, where that is prepared already.
    pub(crate) fn with(
        host: &'a Host,
        credentials: &'a Credentials,
        side: ClientSide,
        limit: Duration,
        trace: Trace,
    ) -> Approach<'a> {
        Approach { host, side, credentials, limit, trace }
    }

    /// Who goes.
    pub(crate) fn own(&self) -> &'a Peer {
        self.credentials.own()
    }

    /// Goes through all stages, to the first address that connects. The end of the handshake leaves with the first request.
    pub async fn walk(&self) -> Result<Client, Trouble> {
        let (endpoint, socket, address) = self.reach().await?;
        let stream = self.agree(endpoint, socket, address).await?;
        self.greet(stream, address)
    }

    /// Connects to the first address that lets it.
    pub(crate) async fn reach(&self) -> Result<(&'a Endpoint, TcpStream, SocketAddr), Failure> {
        let mut failure = Failure::lookup(self.host, &self.host.label, "it has no address");
        for endpoint in &self.host.endpoints {
            let addresses = match self.look_up(endpoint).await {
                Ok(addresses) => addresses,
                Err(unknown) => {
                    failure = unknown;
                    continue;
                }
            };
            for address in addresses {
                match self.dial(address).await {
                    Ok(socket) => return Ok((endpoint, socket, address)),
                    Err(unreached) => failure = unreached,
                }
            }
        }
        Err(failure)
    }

    /// Finds the addresses of a name, of which there is one at least.
    pub(crate) async fn look_up(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
        let addresses = match &endpoint.address {
            Address::Ip(ip) => vec![SocketAddr::new(*ip, endpoint.port)],
            Address::Dns(name) => self.ask_name_service(name.as_ref(), endpoint.port).await?,
        };
        self.trace.say(&self.host.label, || {
            let found: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            format!("is at {}", found.join(", "))
        });
        Ok(addresses)
    }

    async fn ask_name_service(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let found = match timeout(self.limit, lookup_host((name, port))).await {
            Ok(Ok(found)) => found.collect::<Vec<_>>(),
            Ok(Err(error)) => return Err(Failure::lookup(self.host, name, &error.to_string())),
            Err(_) => {
                let fault = format!("no answer within {:?}", self.limit);
                return Err(Failure::lookup_unanswered(self.host, name, &fault));
            }
        };
        if found.is_empty() { Err(Failure::lookup(self.host, name, "it has no address")) } else { Ok(found) }
    }

    /// Connects to one address.
    pub(crate) async fn dial(&self, address: SocketAddr) -> Result<TcpStream, Failure> {
        let began = Instant::now();
        let socket = timeout(self.limit, TcpStream::connect(address))
            .await
            .map_err(|_| Failure::connect_timed_out(self.host, address, self.limit))?
            .map_err(|error| Failure::connect(self.host, address, &error))?;
        self.trace.say(&self.host.label, || format!("connected to {address} in {:.1?}", began.elapsed()));
        // A request is small and must not wait for the acknowledgement of the one before.
        let _ = socket.set_nodelay(true);
        Ok(socket)
    }

    /// Agrees on TLS and verifies the agent, to the end; what the agent thinks of this side comes with its first answer.
    pub(crate) async fn shake_hands(
        &self,
        endpoint: &Endpoint,
        socket: TcpStream,
        address: SocketAddr,
    ) -> Result<Client, Trouble> {
        let mut stream = self.agree(endpoint, socket, address).await?;
        // Whoever does not take it says so when he is asked something.
        let _ = timeout(self.limit, stream.flush()).await;
        self.greet(stream, address)
    }

    async fn agree(
        &self,
        endpoint: &Endpoint,
        socket: TcpStream,
        address: SocketAddr,
    ) -> Result<TlsStream<Held>, Failure> {
        let connector = TlsConnector::from(self.side.config(self.host.expected.clone()));
        let shaken = timeout(self.limit, connector.connect(endpoint.server_name(), Held::new(socket))).await;
        let mut stream = shaken
            .map_err(|_| Failure::silent_handshake(self.host, address, self.limit))?
            .map_err(|error| Failure::handshake(self.host, address, self.own(), &error))?;
        stream.get_mut().0.shaken();
        Ok(stream)
    }

    /// Looks at what the handshake brought to light.
    fn greet(&self, stream: TlsStream<Held>, address: SocketAddr) -> Result<Client, Trouble> {
        let (host, connection) = (self.host, stream.get_ref().1);
        if connection.alpn_protocol() != Some(ALPN) {
            return Err(Failure::wrong_protocol(host, &address).into());
        }
        let peer = tls::peer(connection).ok_or_else(|| Failure::nameless(host, address))?;
        let group = connection.negotiated_key_exchange_group().map(|group| group.name());
        let group = group.map_or_else(String::new, |group| format!("{group:?}"));
        self.trace.say(&self.host.label, || format!("TLS 1.3 agreed with {group}"));
        self.trace.say(&self.host.label, || format!("it is {} until {}", peer.identity, peer.not_after));
        let greeted = Greeted { host: host.clone(), own: self.own().clone(), peer, reached: address, group };
        let revocations = Arc::clone(self.credentials.revocations());
        Ok(Client::new(stream, greeted, revocations, self.limit, self.trace))
    }
}
