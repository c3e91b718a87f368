//! The conversation in which a machine that belongs to nobody is adopted. `docs/security.md` has the reasoning.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use certs::adoption::{Binding, Code, Side};
use certs::tls::adoption::client_config;
use certs::tls::{Judge, Reason, explain};
use protocol::adoption::{self, ALPN, FromAgent, ToAgent};
use protocol::{MAX_REPLY_FRAME, MessageStream};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

use crate::approach::Approach;
use crate::error::{Failure, Kind, Trouble};
use crate::hosts::Host;

/// An agent that has proven the code, and waits for its certificate.
pub(crate) struct Applied<'a> {
    host: &'a Host,
    stream: MessageStream<TlsStream<TcpStream>>,
    limit: Duration,
    /// What the machine calls itself. It may lie.
    pub(crate) host_name: String,
    /// For the authority to sign.
    pub(crate) request: Bytes,
}

/// Connects, and proves the code in both directions. Nothing but this side's proof is told before the agent has proven its
/// own, and that is of no use to anybody else.
pub(crate) async fn prove<'a>(
    approach: &Approach<'a>,
    host: &'a Host,
    code: &Code,
    limit: Duration,
) -> Result<Applied<'a>, Trouble> {
    let (endpoint, socket, reached) = approach.reach().await?;
    let connector = TlsConnector::from(Arc::new(client_config(ALPN)?));
    let stream = match timeout(limit, connector.connect(endpoint.server_name(), socket)).await {
        Err(_) => return Err(Failure::silent_handshake(host, reached, limit).into()),
        Ok(Err(error)) if waits_for_nobody(&error) => {
            return Err(owned(approach, host, reached).await.into());
        }
        Ok(Err(error)) => return Err(Failure::handshake(host, reached, approach.own(), &error).into()),
        Ok(Ok(stream)) => stream,
    };
    if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(Failure::not_waiting(host, reached).into());
    }
    let binding = Binding::of(stream.get_ref().1)?;
    let stream = MessageStream::new(stream, MAX_REPLY_FRAME);
    let mut applied = Applied { host, stream, limit, host_name: String::new(), request: Bytes::new() };
    let proof = code.key().proof(Side::Controller, &binding);
    let (said, request) = applied.exchange(&ToAgent::Claim { proof }, &[]).await?;
    let FromAgent::Offer { proof, host_name, .. } = said else {
        return Err(Failure::nonsense(host, "an adoption that skips its proof").into());
    };
    if !code.key().accepts(Side::Agent, &binding, &proof) {
        return Err(Failure::unproven(host, reached).into());
    }
    Ok(Applied { host_name, request, ..applied })
}

impl Applied<'_> {
    /// Hands over the certificate. When the answer is lost, nobody knows whether the agent has taken it.
    pub(crate) async fn belong(&mut self, papers: &str) -> Result<(), Failure> {
        match self.exchange(&ToAgent::Belong {}, papers.as_bytes()).await? {
            (FromAgent::Adopted { .. }, _) => Ok(()),
            _ => Err(Failure::nonsense(self.host, "an adoption that does not end")),
        }
    }

    async fn exchange(&mut self, message: &ToAgent, tail: &[u8]) -> Result<(FromAgent, Bytes), Failure> {
        let put = adoption::put(self.stream.outbox(), message, tail);
        put.map_err(|error| Failure::broken(self.host, &error))?;
        // A peer that has refused this side may be gone already; what it said can still be read.
        let _ = timeout(self.limit, self.stream.flush()).await;
        let received = timeout(self.limit, self.stream.receive()).await;
        let frame = received
            .map_err(|_| Failure::no_answer(self.host, self.limit, self.stream.is_inside_frame()))?
            .map_err(|error| Failure::broken(self.host, &error))?
            .ok_or_else(|| Failure::ended(self.host))?;
        match adoption::read(&frame) {
            Ok((FromAgent::Refusal(refusal), _)) => Err(Failure::not_adopted(self.host, &refusal)),
            Ok(said) => Ok(said),
            Err(error) => Err(Failure::nonsense(self.host, &error.to_string())),
        }
    }
}

/// Whether the other side speaks TLS, and not of adoption.
fn waits_for_nobody(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.is_some_and(|error| matches!(explain(error), (Judge::Peer, Reason::NothingShared)))
}

/// To whom it belongs, as far as this desk can tell: by shaking hands as one does with an agent of one's own.
async fn owned(approach: &Approach<'_>, host: &Host, reached: SocketAddr) -> Failure {
    let ours = match approach.walk().await {
        Ok(client) => Some(client.greeted().peer.identity.name.to_string()),
        Err(Trouble::Host(failure)) if failure.kind == Kind::WrongName => Some("another machine".to_owned()),
        Err(_) => None,
    };
    match ours {
        Some(name) => Failure::already_yours(host, reached, &name),
        None => Failure::not_waiting(host, reached),
    }
}
