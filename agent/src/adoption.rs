//! An agent that belongs to nobody. It answers adoption, to whoever proves the one-time code, and nothing else.
//!
//! The proof comes first: until then a peer has a place among the unverified, which a busier source loses first. Nothing
//! that a wrong proof brings about depends on whether there is a code at all. `docs/security.md` has the reasoning.

mod tries;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use certs::adoption::{Binding, CodeKey, Side};
use certs::tls::adoption::server_config;
use certs::{Algorithm, Credentials, Peer, Pending, Role, Signed};
use jiff::Timestamp;
use protocol::adoption::{self, ALPN, FromAgent, ToAgent};
use protocol::{MessageStream, Refusal, VERSION};
use rustix::system::uname;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use tries::Tries;

use crate::audit::{Audit, Note};
use crate::config::{Limits, Policy};
use crate::door::{Behind, Connection, Door, Guest};
use crate::state::{KeptCode, State};

/// For the authority's owner to sign; longer than any machine needs, shorter than anybody waits.
const SIGNING: Duration = Duration::from_secs(60);

/// Why a conversation with somebody who wants to adopt did not end in an adoption.
#[derive(Debug)]
enum Ended {
    /// The peer hears why.
    Refused(Refusal),
    /// There is nobody to hear it.
    Gone(&'static str),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Ended {
        Ended::Refused(refusal)
    }
}

/// What an agent takes along when it belongs to somebody.
#[derive(Debug)]
pub struct Adopted {
    pub(crate) credentials: Credentials,
    pub(crate) audit: Audit,
}

impl Adopted {
    /// Who it is now.
    pub fn own(&self) -> &Peer {
        self.credentials.own()
    }
}

struct Unowned {
    door: Arc<Door>,
    audit: Audit,
    tls: Arc<ServerConfig>,
    limits: Limits,
    state: State,
    tries: Mutex<Tries>,
    adopted: Mutex<Option<Credentials>>,
    done: CancellationToken,
}

/// Waits until somebody adopts this agent; `None` when told to stop before. Its caller has noted where: [`State::save_waiting`].
///
/// # Errors
/// The state folder is no good, or the cryptographic library failed.
pub async fn wait(
    listeners: &[TcpListener],
    state: &State,
    policy: &Policy,
    stop: &CancellationToken,
) -> Result<Option<Adopted>, certs::Error> {
    state.create()?;
    let audit = Audit::start(policy.audit.clone());
    let limits = policy.limits;
    let unowned = Arc::new(Unowned {
        door: Arc::new(Door::recording(audit.clone())),
        audit: audit.clone(),
        tls: Arc::new(server_config(ALPN)?),
        limits,
        state: state.clone(),
        tries: Mutex::default(),
        adopted: Mutex::default(),
        done: CancellationToken::new(),
    });
    tokio::select! {
        // Whoever comes once it is done shall meet the agent that it has become, and not this one.
        biased;
        () = unowned.done.cancelled() => {}
        () = stop.cancelled() => {}
        () = unowned.door.open(listeners, &unowned) => {}
    }
    unowned.door.stop.cancel();
    unowned.door.drain(limits.drain).await;
    unowned.door.gone().await;
    state.forget_waiting()?;
    let adopted = unowned.adopted.lock().unwrap_or_else(PoisonError::into_inner).take();
    match adopted {
        Some(credentials) => Ok(Some(Adopted { credentials: state.recall(credentials)?, audit })),
        None => {
            audit.finish().await;
            Ok(None)
        }
    }
}

impl Behind for Unowned {
    fn terms(&self) -> (Arc<ServerConfig>, Limits) {
        (Arc::clone(&self.tls), self.limits)
    }

    async fn enter(self: Arc<Unowned>, guest: Guest) {
        let Guest { stream, from, mut place } = guest;
        let connection = stream.get_ref().1;
        if connection.alpn_protocol() != Some(ALPN) {
            return self.door.stranger(from, "it does not speak of adoption");
        }
        let Ok(binding) = Binding::of(connection) else { return };
        let mut stream = MessageStream::new(stream, self.limits.frame_bytes);
        let proven = tokio::select! {
            proven = self.prove(&mut stream, from, &binding) => proven,
            () = place.lost() => Err(Ended::Gone("dropped: too many want to adopt")),
            // Whoever comes next meets an agent that belongs to somebody: that is no secret.
            () = self.door.stop.cancelled() => match self.done.is_cancelled() {
                true => Err(Refusal::already_adopted().into()),
                false => return,
            },
        };
        drop(place);
        let adopted = match proven {
            Ok(key) => {
                tracing::info!(%from, "the code was proven");
                self.adopt(&mut stream, from, &binding, &key).await
            }
            Err(ended) => Err(ended),
        };
        match adopted {
            Ok(()) => {}
            Err(Ended::Gone(why)) => self.door.stranger(from, why),
            Err(Ended::Refused(refusal)) => {
                self.door.stranger(from, &refusal.message);
                let _ = self.say(&mut stream, &FromAgent::Refusal(refusal), &[]).await;
            }
        }
        let _ = timeout(self.limits.write, stream.close()).await;
    }
}

impl Unowned {
    /// Waits for a proof, and judges it.
    async fn prove(
        &self,
        stream: &mut MessageStream<Connection>,
        from: SocketAddr,
        binding: &Binding,
    ) -> Result<CodeKey, Ended> {
        let (claim, _) = hear(stream, self.limits.rest_of_frame).await?;
        let ToAgent::Claim { proof } = claim else { return Err(Refusal::code_not_accepted().into()) };
        sleep(self.tries(|tries| tries.delay(from.ip(), Instant::now()))).await;
        let kept = self.state.code().unwrap_or_else(|error| {
            tracing::error!("nobody can adopt this agent: {error}");
            None
        });
        match kept {
            Some(KeptCode { key, until }) if key.accepts(Side::Controller, binding, &proof) => {
                if Timestamp::now() > until {
                    return Err(Refusal::code_expired(until).into());
                }
                Ok(key)
            }
            _ => {
                self.count_wrong(from.ip());
                Err(Refusal::code_not_accepted().into())
            }
        }
    }

    /// Makes a key, and takes the certificate that the other side signs for it.
    async fn adopt(
        &self,
        stream: &mut MessageStream<Connection>,
        from: SocketAddr,
        binding: &Binding,
        key: &CodeKey,
    ) -> Result<(), Ended> {
        let failed = |error: certs::Error| Refusal::failed("this agent could not be adopted", &error);
        let pending = Pending::create(Algorithm::Ed25519, None).map_err(failed)?;
        let offer = FromAgent::Offer {
            proof: key.proof(Side::Agent, binding),
            host_name: uname().nodename().to_string_lossy().into_owned(),
            version: VERSION.to_owned(),
        };
        self.say(stream, &offer, pending.request().der()).await?;
        let (belong, papers) = tokio::select! {
            heard = hear(stream, SIGNING) => heard?,
            () = self.door.stop.cancelled() => return Err(Refusal::already_adopted().into()),
        };
        let ToAgent::Belong {} = belong else {
            return Err(Refusal::failed("this agent could not be adopted", &"certificates were due").into());
        };
        let papers = String::from_utf8_lossy(&papers);
        let signed = Signed::read(&papers).and_then(|signed| pending.complete(signed, Role::Agent));
        let credentials = signed.map_err(failed)?;
        let own = credentials.own().clone();
        self.keep(credentials)?;
        self.audit.note(&Note { event: "adopted", address: Some(from), ..Note::of(&own) });
        let adopted =
            FromAgent::Adopted { name: own.identity.name.to_string(), certificate_ends: own.not_after };
        // Whether the other side hears it or not: the agent belongs to it now.
        let _ = self.say(stream, &adopted, &[]).await;
        Ok(())
    }

    /// Nothing is awaited here: of two who come so far, the first one wins.
    fn keep(&self, credentials: Credentials) -> Result<(), Refusal> {
        let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        if adopted.is_some() {
            return Err(Refusal::already_adopted());
        }
        self.state
            .become_known(&credentials)
            .map_err(|error| Refusal::failed("this agent could not be adopted", &error))?;
        if let Err(error) = self.state.forget_code() {
            tracing::warn!("the code is used, but its file remains: {error}");
        }
        *adopted = Some(credentials);
        self.done.cancel();
        Ok(())
    }

    async fn say(
        &self,
        stream: &mut MessageStream<Connection>,
        message: &FromAgent,
        tail: &[u8],
    ) -> Result<(), Ended> {
        let put = adoption::put(stream.outbox(), message, tail);
        put.map_err(|_| Ended::Gone("this agent's own message was too long"))?;
        match timeout(self.limits.write, stream.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Ended::Gone("it went away during its adoption")),
        }
    }

    fn tries<T>(&self, look: impl FnOnce(&mut Tries) -> T) -> T {
        look(&mut self.tries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count_wrong(&self, source: IpAddr) {
        let total = self.tries(|tries| tries.count(source, Instant::now()));
        if total.is_power_of_two() {
            tracing::warn!("proofs of a wrong code so far: {total}");
        }
    }
}

async fn hear<T: DeserializeOwned>(
    stream: &mut MessageStream<Connection>,
    limit: Duration,
) -> Result<(T, bytes::Bytes), Ended> {
    match timeout(limit, stream.receive()).await {
        Ok(Ok(Some(frame))) => adoption::read(&frame).map_err(|error| Refusal::bad_message(&error).into()),
        Ok(_) => Err(Ended::Gone("it broke off an adoption")),
        Err(_) => Err(Ended::Gone("it took too long over an adoption")),
    }
}
