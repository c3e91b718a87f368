//! The daemon: accepts mutually authenticated connections and answers a fixed list of requests.
//!
//! A door takes connections and shakes hands; a session asks and answers; each request is a file. What a test,
//! a demo or `main` needs is [`listen`], [`Agent::on`], [`Agent::addresses`] and [`Agent::serve`]; an agent that belongs to
//! nobody goes through [`adoption::wait`] first.

pub mod activation;
mod admission;
pub mod adoption;
pub mod audit;
mod c_library;
mod census;
pub mod cli;
pub mod config;
pub mod declared;
mod door;
mod host;
pub mod log;
pub mod notify;
pub mod nrpe;
pub mod owner;
pub mod permissions;
mod renewal;
mod requests;
mod response;
pub mod runner;
pub mod sandbox;
pub mod selfcheck;
mod server;
pub mod service;
mod session;
pub mod standpoint;
pub mod state;
mod throttle;
mod tide;

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use certs::{Credentials, Peer};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::adoption::Adopted;
use crate::audit::{Audit, Note};
use crate::config::{Config, Policy};
use crate::declared::Declarations;
use crate::host::Host;
pub use crate::host::{Dialled, Names};
use crate::renewal::Renewal;
use crate::requests::Subject;
use crate::runner::Runner;
use crate::sandbox::Report;
use crate::server::{Server, Settings};

/// With the usual 128, a burst of strangers makes the kernel drop good peers' first packets, which costs them a second.
const BACKLOG: i32 = 4096;

/// Why an agent cannot start, or cannot take new settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The identity is missing or no good.
    #[error("identity: {0}")]
    Identity(#[from] certs::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// An agent that listens, and is ready to serve.
pub struct Agent {
    listeners: Vec<TcpListener>,
    server: Arc<Server>,
}

/// Gives a serving agent new settings.
#[derive(Clone)]
pub struct Reload {
    server: Arc<Server>,
}

impl Agent {
    /// Takes listeners, and the identity to show there.
    ///
    /// # Errors
    /// The credentials are not an agent's.
    pub fn on(
        credentials: &Credentials,
        listeners: Vec<TcpListener>,
        policy: Policy,
    ) -> Result<Agent, Error> {
        let audit = Audit::start(policy.audit.clone());
        Agent::recording(credentials, listeners, policy, audit)
    }

    /// Goes on with what was adopted, where it was adopted.
    ///
    /// # Errors
    /// The credentials are not an agent's.
    pub fn adopted(adopted: Adopted, listeners: Vec<TcpListener>, policy: Policy) -> Result<Agent, Error> {
        Agent::recording(&adopted.credentials, listeners, policy, adopted.audit)
    }

    fn recording(
        credentials: &Credentials,
        listeners: Vec<TcpListener>,
        policy: Policy,
        audit: Audit,
    ) -> Result<Agent, Error> {
        let settings = Settings::new(credentials, policy.limits)?;
        let subject = Subject {
            host: Host::new(),
            own: ArcSwap::from_pointee(credentials.own().clone()),
            permissions: watch::Sender::new(policy.permissions),
            authorities: ArcSwap::from_pointee(credentials.authorities().to_vec()),
            revocations: Arc::clone(credentials.revocations()),
            revoked: watch::Sender::new(()),
            audit,
            settings: ArcSwap::from_pointee(settings),
            renewal: Mutex::new(Renewal::default()),
            declared: ArcSwap::default(),
            programs: Arc::default(),
            runner: OnceLock::new(),
            sandbox: OnceLock::new(),
        };
        Ok(Agent { listeners, server: Arc::new(Server::new(subject)) })
    }

    /// Says which file keeps the identity: there it can be renewed.
    #[must_use]
    pub fn kept_in(self, file: &Path) -> Agent {
        self.server.subject().renewal().keep_in(file);
        self
    }

    /// Says what is declared, and who starts it.
    #[must_use]
    pub fn starting(self, declared: Declarations, runner: Option<Runner>) -> Agent {
        let subject = self.server.subject();
        subject.declared.store(Arc::new(declared));
        if let Some(runner) = runner {
            // Nobody else sets it, and nobody calls this twice.
            let _ = subject.runner.set(runner);
        }
        self
    }

    /// Stops the agent when its runner is no more, and says whether that happened.
    pub fn runner_lost(&self, stop: &CancellationToken) -> impl Future<Output = bool> + 'static {
        let (server, stop) = (Arc::clone(&self.server), stop.clone());
        async move {
            let Some(runner) = server.subject().runner.get() else { return false };
            tokio::select! {
                () = stop.cancelled() => false,
                () = runner.gone() => {
                    stop.cancel();
                    true
                }
            }
        }
    }

    /// Says what holds it, and what the machine was called before that.
    #[must_use]
    pub fn held_by(self, sandbox: Report, names: Names) -> Agent {
        let subject = self.server.subject();
        let _ = subject.sandbox.set(sandbox);
        subject.host.keep_names(names);
        self
    }

    /// Says over which line systemd is asked. For the runtime in which this is called.
    #[must_use]
    pub fn asking_over(self, dialled: Dialled) -> Agent {
        self.server.subject().host.asks_over(dialled);
        self
    }

    /// Where it listens; with port 0 asked for, the port that the system chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Whose identity it has.
    pub fn own(&self) -> Peer {
        Peer::clone(&self.server.subject().own.load())
    }

    /// For new settings while it serves.
    pub fn reload(&self) -> Reload {
        Reload { server: Arc::clone(&self.server) }
    }

    /// Serves until `stop`; then takes no more connections, answers what is in flight for as long as the limits say, and
    /// returns how many connections it had to cut.
    pub async fn serve(self, stop: CancellationToken) -> usize {
        self.server.serve(self.listeners, stop).await
    }
}

/// Listens where the configuration says. Nobody is accepted yet: that needs [`accepting`].
///
/// # Errors
/// An address is not to be had.
pub fn listen(config: &Config) -> Result<Vec<net::TcpListener>, Error> {
    let on = |&address: &SocketAddr| {
        // The kernel gives IPv4 to a socket of every IPv6 address too: then there is none left for the one beside it.
        let beside = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
        let shares = address.ip() == Ipv6Addr::UNSPECIFIED && config.listen.contains(&beside);
        listen_on(address, shares).map_err(|source| Error::Listen { address, source })
    };
    config.listen.iter().map(on).collect()
}

/// The same listeners, for the runtime in which this is called.
///
/// # Errors
/// The system has no room for them.
pub fn accepting(listeners: Vec<net::TcpListener>) -> io::Result<Vec<TcpListener>> {
    listeners.into_iter().map(TcpListener::from_std).collect()
}

fn listen_on(address: SocketAddr, only_ipv6: bool) -> io::Result<net::TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if only_ipv6 {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

impl Reload {
    /// Whose identity the agent has now.
    pub fn own(&self) -> Peer {
        Peer::clone(&self.server.subject().own.load())
    }

    /// Makes sure that the identity can be taken. Nothing has changed.
    ///
    /// # Errors
    /// The identity is no good.
    pub fn check(&self, config: &Config) -> Result<(), Error> {
        Settings::new(&Credentials::load(&config.identity)?, config.policy.limits)?;
        Ok(())
    }

    /// Has the runner read what is declared: it takes all of it or nothing, and says what of it could not be started.
    ///
    /// # Errors
    /// Why the runner keeps what was declared before.
    pub async fn tell_runner(&self, config: &Config) -> Result<Vec<String>, Vec<String>> {
        match self.server.subject().runner.get() {
            Some(runner) => runner.read_again().await,
            None if config.declarations.is_empty() => Ok(Vec::new()),
            None => Err(vec![
                "checks or commands are declared, and nothing was when the agent started, so nothing can start them; \
                 start the agent again"
                    .to_owned(),
            ]),
        }
    }

    /// Takes a new identity and new limits for connections to come; open ones keep theirs. New permissions hold for all
    /// that was not begun.
    ///
    /// # Errors
    /// The identity is no good; then nothing has changed.
    pub fn apply(&self, config: &Config) -> Result<Peer, Error> {
        let subject = self.server.subject();
        let mut renewal = subject.renewal();
        let credentials = Credentials::load(&config.identity)?;
        let credentials = credentials.with_revocations(Arc::clone(&subject.revocations));
        let settings = Settings::new(&credentials, config.policy.limits)?;
        subject.revocations.turn_to(credentials.authorities())?.done();
        subject.revoked.send_replace(());
        renewal.keep_in(&config.identity);
        subject.audit.note(&Note { event: "settings_read_again", ..Note::of(credentials.own()) });
        subject.permissions.send_replace(config.policy.permissions.clone());
        subject.declared.store(Arc::new(config.declarations.clone()));
        subject.show(settings, &credentials);
        Ok(credentials.own().clone())
    }
}
