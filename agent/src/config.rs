//! File and flags become one decided [`Config`]: all checks are here, and nothing after it is optional.

mod declared;
mod file;
mod folder;
mod table;

use std::env;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::{DEFAULT_PORT, MAX_ASK_FRAME};
use tracing::level_filters::LevelFilter;

use crate::audit::{self, Recording};
use crate::cli::Flags;
use crate::declared::Declarations;
use crate::permissions::Permissions;
use crate::sandbox::{Access, Demand};
use crate::state::State;

/// Read when it is there and no other is named.
pub(crate) const DEFAULT_FILE: &str = "/etc/rollcall/agent.toml";

/// The folder beside it for further declarations, a file each, in the order of their names.
const MORE_FILES: &str = "agent.d";

/// All that an agent needs to know before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// The folder for what the agent keeps.
    pub state: State,
    /// The identity bundle.
    pub identity: PathBuf,
    /// How much to log.
    pub log: LevelFilter,
    /// Whether to serve where the kernel lacks a part of the sandbox.
    pub sandbox: Demand,
    /// What peers may do.
    pub policy: Policy,
    /// What can be started.
    pub declarations: Declarations,
}

/// What the agent's owner lets peers do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// What they may use up.
    pub limits: Limits,
    /// What they may ask.
    pub permissions: Permissions,
    /// Where it is written down what they asked.
    pub audit: Recording,
}

/// What peers may use up. The agent's owner decides; these defaults suit a machine that does something else for a living.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Connections whose peer is not verified yet; past it the oldest of the busiest source is dropped.
    pub unverified: usize,
    /// Verified connections in all.
    pub connections: usize,
    /// Verified connections of one identity.
    pub connections_per_identity: usize,
    /// Requests being answered at the same time on one connection.
    pub requests_in_flight: usize,
    /// The same, on all connections of one identity.
    pub requests_in_flight_per_identity: usize,
    /// Requests that are about a declared program, those included that wait for their turn.
    pub programs: usize,
    /// The largest frame a peer may send.
    pub frame_bytes: usize,
    /// For the whole handshake.
    pub handshake: Duration,
    /// For the rest of a frame that has begun.
    pub rest_of_frame: Duration,
    /// For a connection on which nothing happens.
    pub idle: Duration,
    /// For a peer to take what was written to it; one that reads a stream has as long as one that is idle, if that is longer.
    pub write: Duration,
    /// For requests in flight to end when the agent stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            unverified: 512,
            connections: 1024,
            connections_per_identity: 128,
            requests_in_flight: 64,
            requests_in_flight_per_identity: 256,
            programs: 512,
            frame_bytes: MAX_ASK_FRAME,
            handshake: Duration::from_secs(3),
            rest_of_frame: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            write: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

/// Descriptors that the agent needs for itself: its listeners, its log, and the files that answers are read from.
const OWN_DESCRIPTORS: usize = 32;

/// A program costs its socket to the runner and both ends of its two pipes. To the runner it costs less.
const PROGRAM_DESCRIPTORS: usize = 5;

impl Limits {
    /// The same, but so that all connections and programs together find their descriptors.
    #[must_use]
    pub fn within(self, descriptors: usize) -> Limits {
        let room = descriptors.saturating_sub(OWN_DESCRIPTORS).max(2);
        let taken = |programs: usize| programs.saturating_mul(PROGRAM_DESCRIPTORS);
        if self.unverified.saturating_add(self.connections).saturating_add(taken(self.programs)) <= room {
            return self;
        }
        let unverified = self.unverified.min((room / 4).max(1));
        let programs = self.programs.min((room / 4 / PROGRAM_DESCRIPTORS).max(1));
        let connections = self.connections.min((room - unverified).saturating_sub(taken(programs)).max(1));
        // What is scarce must not all go to one.
        let connections_per_identity = self.connections_per_identity.min((connections / 4).max(1));
        Limits { unverified, connections, connections_per_identity, programs, ..self }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1; absent when the fault is the file's as a whole.
    pub place: Option<(usize, usize)>,
    /// The key, such as `limits.idle`; empty when the fault is no key's.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Config {
    /// What the file, or the usual one, declares, where the process that talks to the network may write in these folders.
    ///
    /// # Errors
    /// Every fault of the file.
    pub(crate) fn declared(named: Option<&Path>, writable: &[PathBuf]) -> Result<Declarations, Vec<Fault>> {
        let (path, file) = Config::read(named)?;
        folder::with_those_beside(path, file.declarations, writable)
    }

    /// What could not work, though nothing is wrong with how it is written.
    pub fn doubts(&self) -> Vec<String> {
        let for_nothing = self.policy.permissions.for_nothing(&self.declarations);
        [self.declarations.unready(), for_nothing].concat()
    }

    fn read(named: Option<&Path>) -> Result<(Option<&Path>, file::File), Vec<Fault>> {
        let path = named.or_else(|| Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists()));
        Ok((path, path.map(file::read).transpose()?.unwrap_or_default()))
    }

    /// What the flags say, else what the file says, else the defaults.
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn decide(flags: &Flags) -> Result<Config, Vec<Fault>> {
        let (path, file) = Config::read(flags.config.as_deref())?;
        let state = State::new(&flags.folder.state);
        let listen = if flags.listen.is_empty() { file.listen } else { Some(flags.listen.clone()) };
        let mut config = Config {
            file: path.map(Path::to_owned),
            listen: listen
                .unwrap_or_else(|| vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT)]),
            identity: flags
                .identity
                .clone()
                .or(file.identity)
                .or_else(handed_identity)
                .unwrap_or_else(|| state.identity_file()),
            state,
            sandbox: file.sandbox,
            log: flags.log.or(file.log).unwrap_or(LevelFilter::INFO),
            declarations: Declarations::default(),
            policy: Policy {
                audit: Recording { folder: Some(audit::folder_in(&flags.folder.state)), ..file.policy.audit },
                ..file.policy
            },
        };
        // Where it may write is known only when all else is.
        config.declarations =
            folder::with_those_beside(path, file.declarations, &Access::of(&config).writes)?;
        Ok(config)
    }
}

/// An identity that the service manager hands over, by `LoadCredential=identity.bundle:FILE`.
fn handed_identity() -> Option<PathBuf> {
    let folder = PathBuf::from(env::var_os("CREDENTIALS_DIRECTORY")?);
    Some(folder.join("identity.bundle")).filter(|file| file.exists())
}

/// An address to listen on: `IP`, or `IP:PORT`.
pub(crate) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().or_else(|_| {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DEFAULT_PORT))
    });
    address.map_err(|_| {
        format!("`{text}` is no address to listen on; one is \"0.0.0.0:5669\", or an IP address alone")
    })
}

/// How much to log, by its name.
pub(crate) fn parse_log(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        _ => Err("a log level is one of error, warn, info, debug".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_fit_the_descriptors_there_are() {
        let limits = Limits { unverified: 512, connections: 1024, programs: 512, ..Limits::default() };
        let fitting = |descriptors| {
            let fitting = limits.within(descriptors);
            (fitting.unverified, fitting.connections, fitting.connections_per_identity, fitting.programs)
        };
        assert_eq!(fitting(65_536), (512, 1024, 128, 512));
        assert_eq!(fitting(OWN_DESCRIPTORS + 4096), (512, 1024, 128, 512));
        assert_eq!(fitting(OWN_DESCRIPTORS + 900), (225, 450, 112, 45));
        assert_eq!(fitting(OWN_DESCRIPTORS + 60), (15, 30, 7, 3));
        assert_eq!(fitting(3), (1, 1, 1, 1));
    }
}
