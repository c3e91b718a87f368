//! `agent run`: what is done before the sandbox, the sandbox, and what is done in it.

pub(crate) mod identity;
mod reload;
mod surroundings;

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;

use agent::adoption::{self, Adopted};
use agent::cli::Flags;
use agent::config::Config;
use agent::notify::Notify;
use agent::runner::{self, Runner, Spawned};
use agent::sandbox::{self, Access, Report};
use agent::{Agent, Dialled, Names, activation};
use certs::{Credentials, Peer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::faults::{Faults, cannot_start, lines};
use reload::Again;
use surroundings::{log_to_stderr, stop_when_told};

/// What the service manager gave along: taken before there is any thread, and before the sandbox.
struct Manager {
    notify: Notify,
    sockets: Vec<net::TcpListener>,
}

impl Manager {
    fn take() -> Result<Manager, String> {
        Ok(Manager { notify: Notify::take()?, sockets: activation::take()? })
    }
}

/// What needs rights that the sandbox takes away.
struct Prepared {
    known: Option<Credentials>,
    listeners: Vec<net::TcpListener>,
    names: Names,
    runner: Option<Spawned>,
    bus: Dialled,
    notify: Notify,
    /// Keeps other agents out of the state folder.
    _alone: Option<File>,
}

/// Serves until told to stop.
pub(crate) fn run(flags: &Flags) -> Result<(), Faults> {
    let manager = Manager::take().map_err(|fault| vec![format!("cannot start: {fault}")])?;
    let mut config = Config::decide(flags).map_err(|faults| lines(&faults))?;
    let was_handed = !manager.sockets.is_empty();
    let prepared = prepare(&config, manager)?;
    // What the runner starts keeps the usual limit.
    raise_descriptor_limit();
    // From here on there is no way back; and no thread may have begun before.
    let access = Access::of(&config);
    let held = sandbox::enter(&access);
    held.satisfies(config.sandbox)
        .map_err(|missing| missing.iter().map(|line| format!("cannot start: {line}")).collect::<Faults>())?;
    let (log, written) = log_to_stderr(config.log)?;
    held.log();
    tell_access(&config, &access);
    if was_handed {
        tracing::info!("the service manager listens for this agent: `listen` does not count");
    }
    fit_to_descriptors(&mut config);
    // What waits for a disk, reloads and renewals, waits for its turn anyway.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
    let runtime = runtime.map_err(|error| vec![format!("cannot start: {error}")])?;
    let served = runtime.block_on(serve(flags, &config, prepared, held));
    // A file system that hangs may still hold up a reload.
    runtime.shutdown_background();
    log.end();
    written.wait();
    served
}

fn prepare(config: &Config, manager: Manager) -> Result<Prepared, Faults> {
    let known = identity::load(config).map_err(|error| cannot_start(&agent::Error::Identity(error)))?;
    if known.is_none() {
        config.state.create().map_err(|error| cannot_be_adopted(&error))?;
    }
    let hold = || config.state.hold().map_err(|error| vec![format!("cannot start: {error}")]);
    let mut alone = hold()?;
    let listeners = match manager.sockets.is_empty() {
        true => agent::listen(config).map_err(|error| cannot_start(&error))?,
        false => manager.sockets,
    };
    if alone.is_none() {
        // Only a folder that is there can be written to from inside. Where it cannot be made, the audit log says so.
        let _ = config.state.create();
        alone = hold()?;
    }
    let runner = match config.declarations.is_empty() {
        true => None,
        false => Some(start_runner(config)?),
    };
    let (names, bus, notify) = (Names::read(), Dialled::now(), manager.notify);
    Ok(Prepared { known, listeners, names, runner, bus, notify, _alone: alone })
}

fn start_runner(config: &Config) -> Result<Spawned, Faults> {
    let writable = Access::of(config).writes;
    runner::spawn(config.file.as_deref(), &writable).map_err(|error| no_runner(&error))
}

fn no_runner(error: &io::Error) -> Faults {
    vec![format!("cannot start: the runner, which starts what is declared: {error}")]
}

/// What the agent could read as root, and cannot any more, is told now and not at the next reload.
fn tell_access(config: &Config, access: &Access) {
    access.notes.iter().for_each(|note| tracing::warn!("{note}"));
    let files = config.file.iter().chain([&config.identity]);
    for (file, error) in files.filter_map(|file| Some((file, File::open(file).err()?))) {
        if error.kind() == io::ErrorKind::PermissionDenied {
            let file = file.display();
            tracing::warn!(
                "{file} cannot be read again without root's rights; make it this user's own: chown"
            );
        }
    }
}

/// What could not work is told, and the rest does.
fn tell_doubts(config: &Config, unready: &[String]) {
    let for_nothing = config.policy.permissions.for_nothing(&config.declarations);
    unready.iter().chain(&for_nothing).for_each(|line| tracing::warn!("{line}"));
}

async fn serve(flags: &Flags, config: &Config, prepared: Prepared, held: Report) -> Result<(), Faults> {
    let (runner, unready) = match prepared.runner {
        Some(spawned) => Runner::meet(spawned).await.map(|(runner, unready)| (Some(runner), unready)),
        None => Ok((None, Vec::new())),
    }
    .map_err(|error| no_runner(&error))?;
    tell_doubts(config, &unready);
    let listeners = agent::accepting(prepared.listeners);
    let listeners = listeners.map_err(|error| vec![format!("cannot start: {error}")])?;
    let stop = CancellationToken::new();
    let no_signals = |error: io::Error| vec![format!("cannot listen for signals: {error}")];
    stop_when_told(stop.clone()).map_err(no_signals)?;
    let notify = stay_in_touch(prepared.notify, stop.clone());
    let mut hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
    let policy = config.policy.clone();
    let contact = Contact { hangup: &mut hangup, notify: &notify };
    let agent = match prepared.known {
        Some(credentials) => Agent::on(&identity::recall(config, credentials)?, listeners, policy),
        None => match be_adopted(config, &listeners, &stop, contact).await? {
            Some(adopted) => Agent::adopted(adopted, listeners, policy),
            None => return Ok(()),
        },
    };
    let agent = agent.map_err(|error| cannot_start(&error))?.kept_in(&config.identity);
    let serving = Serving { addresses: joined(&agent.addresses()), held: held.clone() };
    let agent = agent.held_by(held, prepared.names).asking_over(prepared.bus);
    let agent = agent.starting(config.declarations.clone(), runner);
    let own = agent.own();
    let again = Again { flags: flags.clone(), running: config.clone(), reload: agent.reload() };
    let (name, addresses) = (&own.identity.name, &serving.addresses);
    tracing::info!("{name} is ready on {addresses}; its certificate ends {}", own.not_after);
    identity::tell_dates(&own);
    notify.ready(&serving.words(&own));
    reload::when_told(hangup, again, Arc::clone(&notify), serving);
    let lost = agent.runner_lost(&stop);
    let (cut, lost) = tokio::join!(agent.serve(stop.clone()), lost);
    match cut {
        0 => tracing::info!("stopped"),
        cut => tracing::warn!("stopped; connections that did not end in time and were cut: {cut}"),
    }
    match lost {
        true => Err(vec![
            "the runner, which starts what is declared, has ended; start the agent again".to_owned(),
        ]),
        false => Ok(()),
    }
}

fn joined(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}

fn addresses_of(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

/// Tells the service manager from the thread that serves that this thread is alive, and when it stops.
fn stay_in_touch(notify: Notify, stop: CancellationToken) -> Arc<Notify> {
    let notify = Arc::new(notify);
    let (alive, stops) = (Arc::clone(&notify), Arc::clone(&notify));
    tokio::spawn(async move { alive.alive().await });
    tokio::spawn(async move { stops.stopping(&stop).await });
    notify
}

/// What does not change while the agent serves.
struct Serving {
    addresses: String,
    held: Report,
}

impl Serving {
    /// What `systemctl status` shows.
    fn words(&self, own: &Peer) -> String {
        let Serving { addresses, held } = self;
        format!(
            "{} serves on {addresses}; its certificate ends {:.0}; {held}",
            own.identity.name, own.not_after
        )
    }
}

/// Who manages the process, while the agent belongs to nobody: asks by SIGHUP, and is told.
struct Contact<'a> {
    hangup: &'a mut Signal,
    notify: &'a Notify,
}

impl Contact<'_> {
    /// Nobody is served yet whom new settings would concern; but whoever sent a SIGHUP may wait for an answer.
    async fn put_off(self, waits: &str) -> Infallible {
        while self.hangup.recv().await.is_some() {
            self.notify.reloading();
            tracing::warn!(
                "settings are read again at the next start, or at a SIGHUP once this agent is adopted"
            );
            self.notify.ready(waits);
        }
        std::future::pending().await
    }
}

async fn be_adopted(
    config: &Config,
    listeners: &[TcpListener],
    stop: &CancellationToken,
    contact: Contact<'_>,
) -> Result<Option<Adopted>, Faults> {
    let addresses = addresses_of(listeners);
    tracing::info!(
        "this agent belongs to nobody, and waits on {} to be adopted; `agent code --state {}` says how",
        joined(&addresses),
        config.state.path().display()
    );
    // Whoever started the agent may ask for a code as soon as it is ready.
    config.state.save_waiting(&addresses).map_err(|error| cannot_be_adopted(&error))?;
    let waits = format!("waits on {} to be adopted; `agent code` says how", joined(&addresses));
    contact.notify.ready(&waits);
    let adopted = tokio::select! {
        adopted = adoption::wait(listeners, &config.state, &config.policy, stop) => adopted,
        never = contact.put_off(&waits) => match never {},
    };
    let adopted = adopted.map_err(|error| cannot_be_adopted(&error))?;
    match &adopted {
        Some(adopted) => tracing::info!("adopted: this agent is {} now", adopted.own().identity.name),
        None => tracing::info!("stopped before anybody adopted this agent"),
    }
    Ok(adopted)
}

fn cannot_be_adopted(error: &certs::Error) -> Faults {
    vec![format!("cannot be adopted: {error}"), "choose a folder of this user's own with --state".to_owned()]
}

/// Every connection is a descriptor; the system's soft limit is for programs that use select(2).
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Verified peers must not be able to hold every descriptor there is, by connections or by programs.
fn fit_to_descriptors(config: &mut Config) {
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return };
    let limits = &mut config.policy.limits;
    let fitting = limits.within(usize::try_from(descriptors).unwrap_or(usize::MAX));
    if fitting != *limits {
        tracing::warn!(
            "the system allows {descriptors} descriptors, so the limits are now unverified = {}, connections = {} and \
             programs = {}; raise it (LimitNOFILE= of a service, or ulimit -n)",
            fitting.unverified,
            fitting.connections,
            fitting.programs
        );
    }
    *limits = fitting;
}
