//! `agent run`: what is done before the sandbox, the sandbox, and what is done in it.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::net;
use std::sync::Arc;

use agent::adoption::{self, Adopted};
use agent::cli::Flags;
use agent::config::Config;
use agent::log::{self, Lines, Written};
use agent::sandbox::{self, Access, Report};
use agent::{Agent, Names, Reload};
use certs::Credentials;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use crate::{Faults, cannot_start, identity, lines, recall, tell_dates};

/// What needs rights that the sandbox takes away.
struct Prepared {
    known: Option<Credentials>,
    listeners: Vec<net::TcpListener>,
    names: Names,
    /// Keeps other agents out of the state folder.
    _alone: Option<File>,
}

/// Serves until told to stop.
pub(crate) fn run(flags: &Flags) -> Result<(), Faults> {
    let mut config = Config::decide(flags).map_err(|faults| lines(&faults))?;
    raise_descriptor_limit();
    let prepared = prepare(&config)?;
    // From here on there is no way back; and no thread may have begun before.
    let access = Access::of(&config);
    let held = sandbox::enter(&access);
    held.satisfies(config.sandbox)
        .map_err(|missing| missing.iter().map(|line| format!("cannot start: {line}")).collect::<Faults>())?;
    let (log, written) = log_to_stderr(config.log)?;
    held.log();
    tell_access(&config, &access);
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

fn prepare(config: &Config) -> Result<Prepared, Faults> {
    let known = identity(config).map_err(|error| cannot_start(&agent::Error::Identity(error)))?;
    if known.is_none() {
        config.state.create().map_err(|error| cannot_be_adopted(&error))?;
    }
    let hold = || config.state.hold().map_err(|error| vec![format!("cannot start: {error}")]);
    let mut alone = hold()?;
    let listeners = agent::listen(config).map_err(|error| cannot_start(&error))?;
    if alone.is_none() {
        // Only a folder that is there can be written to from inside. Where it cannot be made, the audit log says so.
        let _ = config.state.create();
        alone = hold()?;
    }
    Ok(Prepared { known, listeners, names: Names::read(), _alone: alone })
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

async fn serve(flags: &Flags, config: &Config, prepared: Prepared, held: Report) -> Result<(), Faults> {
    let listeners =
        agent::accepting(prepared.listeners).map_err(|error| vec![format!("cannot start: {error}")])?;
    let stop = CancellationToken::new();
    let no_signals = |error: io::Error| vec![format!("cannot listen for signals: {error}")];
    stop_when_told(stop.clone()).map_err(no_signals)?;
    let hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
    let policy = config.policy.clone();
    let agent = match prepared.known {
        Some(credentials) => Agent::on(&recall(config, credentials)?, listeners, policy),
        None => match be_adopted(config, &listeners, &stop).await? {
            Some(adopted) => Agent::adopted(adopted, listeners, policy),
            None => return Ok(()),
        },
    };
    let agent = agent.map_err(|error| cannot_start(&error))?;
    let agent = agent.kept_in(&config.identity).held_by(held, prepared.names);
    reload_when_told(hangup, flags.clone(), config.clone(), agent.reload());
    tell_ready(&agent);
    match agent.serve(stop).await {
        0 => tracing::info!("stopped"),
        cut => tracing::warn!("stopped; connections that did not end in time and were cut: {cut}"),
    }
    Ok(())
}

fn tell_ready(agent: &Agent) {
    let own = agent.own();
    let addresses: Vec<String> = agent.addresses().iter().map(ToString::to_string).collect();
    tracing::info!(
        "{} is ready on {}; its certificate ends {}",
        own.identity.name,
        addresses.join(", "),
        own.not_after
    );
    tell_dates(&own);
}

async fn be_adopted(
    config: &Config,
    listeners: &[TcpListener],
    stop: &CancellationToken,
) -> Result<Option<Adopted>, Faults> {
    let addresses: Vec<String> =
        listeners.iter().filter_map(|listener| Some(listener.local_addr().ok()?.to_string())).collect();
    tracing::info!(
        "this agent belongs to nobody, and waits on {} to be adopted; `agent code --state {}` says how",
        addresses.join(", "),
        config.state.path().display()
    );
    let adopted = adoption::wait(listeners, &config.state, &config.policy, stop).await;
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

/// The first SIGTERM or SIGINT stops, the second does not wait.
fn stop_when_told(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                tracing::warn!("stopped at once, as told twice");
                std::process::exit(1);
            }
            stop.cancel();
        }
    });
    Ok(())
}

/// SIGHUP reads configuration and identity again, on a thread of its own: files may be slow.
fn reload_when_told(mut hangup: Signal, flags: Flags, running: Config, reload: Reload) {
    let all = Arc::new((flags, running, reload));
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let all = Arc::clone(&all);
            let _ = tokio::task::spawn_blocking(move || read_again(&all.0, &all.1, &all.2)).await;
        }
    });
}

fn read_again(flags: &Flags, running: &Config, reload: &Reload) {
    let decided = Config::decide(flags).map_err(|faults| lines(&faults));
    let applied = decided.and_then(|mut config| {
        fit_to_descriptors(&mut config);
        let own = reload.apply(&config).map_err(|error| {
            let elsewhere =
                "the sandbox was made for the files of this start; start the agent again to use others";
            let moved = (config.identity != running.identity).then(|| elsewhere.to_owned());
            [error.to_string()].into_iter().chain(moved).collect::<Faults>()
        })?;
        Ok((config, own))
    });
    match applied {
        Ok((config, own)) => {
            tracing::info!("read again: {} until {}", own.identity.name, own.not_after);
            tell_dates(&own);
            if needs_a_start(&config, running) {
                tracing::warn!("`listen`, `log`, `sandbox` and `[audit]` change with the next start only");
            }
        }
        Err(lines) => {
            for line in lines {
                tracing::error!("kept all of the old settings: {line}");
            }
        }
    }
}

fn needs_a_start(config: &Config, running: &Config) -> bool {
    (config.listen != running.listen)
        || (config.log != running.log)
        || (config.sandbox != running.sandbox)
        || (config.policy.audit != running.policy.audit)
}

fn log_to_stderr(level: LevelFilter) -> Result<(Lines, Written), Faults> {
    let (lines, written) =
        log::start(io::stderr()).map_err(|error| vec![format!("cannot start: {error}")])?;
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_max_level(level)
        .log_internal_errors(false)
        .init();
    // A panic ends one connection and not the agent: its owner should read it among the other lines.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // The message may hold what a peer sent; the place is enough to find the fault.
        tracing::error!(place, "a fault in the agent itself ended a connection; please report it");
    }));
    Ok((lines, written))
}

/// Every connection is a descriptor; the system's soft limit is for programs that use select(2).
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Verified peers must not be able to hold every descriptor there is.
fn fit_to_descriptors(config: &mut Config) {
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return };
    let limits = &mut config.policy.limits;
    let fitting = limits.within(usize::try_from(descriptors).unwrap_or(usize::MAX));
    if fitting != *limits {
        tracing::warn!(
            "the system allows {descriptors} descriptors, so the limits are now unverified = {} and connections = {}; \
             raise it (LimitNOFILE= of a service, or ulimit -n)",
            fitting.unverified,
            fitting.connections
        );
    }
    *limits = fitting;
}
