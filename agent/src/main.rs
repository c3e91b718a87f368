//! Parses, decides, binds, serves, exits.

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::ExitCode;
use std::sync::Arc;

use agent::adoption::{self, Adopted};
use agent::audit;
use agent::cli::{AuditVerb, Cli, Flags, ImportNrpe, Verb, Verify};
use agent::config::{Config, Fault};
use agent::log::{self, ForJournal, Lines, Written};
use agent::notify::Notify;
use agent::runner::{self, Runner, Spawned};
use agent::{Agent, Error, Reload, activation, nrpe, owner, service};
use certs::{Credentials, Peer};
use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

/// Carrying a new bundle to a machine takes people a while.
const WARN_BEFORE_END: SignedDuration = SignedDuration::from_hours(14 * 24);

fn main() -> ExitCode {
    // A shell asks so what can be typed next; it ends there.
    CompleteEnv::with_factory(Cli::command).complete();
    let done = match Cli::parse().verb {
        Verb::Run(flags) => run(&flags),
        Verb::CheckConfig(flags) => check(&flags),
        Verb::Code(flags) => owner::code(&flags).map_err(|fault| vec![fault]).and_then(|told| {
            // The code alone goes to standard output: a script wants nothing else.
            let _ = io::stderr().write_all(told.words.as_bytes());
            tell(Ok(told.code))
        }),
        Verb::Reset(flags) => tell(owner::reset(&flags)),
        Verb::Audit(AuditVerb::Verify(which)) => verify(&which),
        Verb::ImportNrpe(which) => import(&which),
        Verb::Runner(flags) => runner::process::run(flags.config),
        Verb::Install(flags) => service::install(flags).map_err(|fault| vec![fault]),
        Verb::Uninstall(flags) => service::uninstall(flags).map_err(|fault| vec![fault]),
        Verb::Status(flags) => return service::status(&flags),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(lines) => {
            for line in lines {
                say(&line);
            }
            ExitCode::FAILURE
        }
    }
}

/// Every reason that something cannot be done, a line each.
type Faults = Vec<String>;

fn run(flags: &Flags) -> Result<(), Faults> {
    let manager = Manager::take().map_err(|fault| vec![format!("cannot start: {fault}")])?;
    let mut config = Config::decide(flags).map_err(|faults| lines(&faults))?;
    let (log, written) = log_to_stderr(config.log)?;
    raise_descriptor_limit();
    fit_to_descriptors(&mut config);
    let runner = match config.declarations.is_empty() {
        true => None,
        false => Some(runner::spawn(config.file.as_deref()).map_err(no_runner)?),
    };
    // What waits for a disk, reloads and renewals, waits for its turn anyway.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
    let runtime = runtime.map_err(|error| vec![format!("cannot start: {error}")])?;
    let served = runtime.block_on(serve(flags, &config, manager, runner));
    // A file system that hangs may still hold up a reload.
    runtime.shutdown_background();
    log.end();
    written.wait();
    served
}

#[expect(clippy::needless_pass_by_value, reason = "it is no use to anybody else")]
fn no_runner(error: io::Error) -> Faults {
    vec![format!("cannot start: the runner, which starts what is declared: {error}")]
}

/// What the service manager gave along: taken before there is any thread, and before any sandbox.
struct Manager {
    notify: Notify,
    sockets: Vec<StdListener>,
}

impl Manager {
    fn take() -> Result<Manager, String> {
        Ok(Manager { notify: Notify::take()?, sockets: activation::take()? })
    }
}

async fn serve(
    flags: &Flags,
    config: &Config,
    manager: Manager,
    runner: Option<Spawned>,
) -> Result<(), Faults> {
    let runner = match runner {
        Some(spawned) => Some(Runner::meet(spawned).await.map_err(no_runner)?),
        None => None,
    };
    let known = identity(config).map_err(|error| cannot_start(&Error::Identity(error)))?;
    if known.is_none() {
        config.state.create().map_err(|error| cannot_be_adopted(&error))?;
    }
    let _alone = config.state.hold().map_err(|error| vec![format!("cannot start: {error}")])?;
    let listeners = listen(config, manager.sockets)?;
    let stop = CancellationToken::new();
    let no_signals = |error: io::Error| vec![format!("cannot listen for signals: {error}")];
    stop_when_told(stop.clone()).map_err(no_signals)?;
    let notify = stay_in_touch(manager.notify, stop.clone());
    let mut hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
    let policy = config.policy.clone();
    let agent = match known {
        Some(credentials) => Agent::on(&recall(config, credentials)?, listeners, policy),
        None => match be_adopted(config, &listeners, &stop, (&mut hangup, &notify)).await? {
            Some(adopted) => Agent::adopted(adopted, listeners, policy),
            None => return Ok(()),
        },
    };
    let agent = agent.map_err(|error| cannot_start(&error))?.kept_in(&config.identity);
    let agent = agent.starting(config.declarations.clone(), runner);
    let (own, addresses) = (agent.own(), joined(&agent.addresses()));
    let again = Again { flags: flags.clone(), running: config.clone(), reload: agent.reload() };
    reload_when_told(hangup, again, Arc::clone(&notify), addresses.clone());
    tracing::info!("{} is ready on {addresses}; its certificate ends {}", own.identity.name, own.not_after);
    tell_dates(&own);
    notify.ready(&serving(&own, &addresses));
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

/// Listens on what the service manager handed over, else where the configuration says.
fn listen(config: &Config, sockets: Vec<StdListener>) -> Result<Vec<TcpListener>, Faults> {
    if sockets.is_empty() {
        return agent::listen(config).map_err(|error| cannot_start(&error));
    }
    let handed = activation::adopt(sockets);
    let handed =
        handed.map_err(|error| vec![format!("cannot start: cannot use the sockets handed over: {error}")])?;
    tracing::info!(
        "the service manager listens for this agent, on {}: `listen` does not count",
        joined(&addresses_of(&handed))
    );
    Ok(handed)
}

fn addresses_of(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

fn joined(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}

/// Tells the service manager from the thread that serves that this thread is alive, and when it stops.
fn stay_in_touch(notify: Notify, stop: CancellationToken) -> Arc<Notify> {
    let notify = Arc::new(notify);
    let (alive, stops) = (Arc::clone(&notify), Arc::clone(&notify));
    tokio::spawn(async move { alive.alive().await });
    tokio::spawn(async move { stops.stopping(&stop).await });
    notify
}

/// What `systemctl status` shows while the agent serves.
fn serving(own: &Peer, addresses: &str) -> String {
    format!("{} serves on {addresses}; its certificate ends {:.0}", own.identity.name, own.not_after)
}

/// Who the agent is. Only where its own folder has no identity it belongs to nobody: a file that was named must be there.
fn identity(config: &Config) -> Result<Option<Credentials>, certs::Error> {
    match Credentials::load(&config.identity) {
        Err(error) if error.is_not_found() && config.identity == config.state.identity_file() => Ok(None),
        loaded => loaded.map(Some),
    }
}

/// A damaged list stops the agent: who is revoked would be let in again.
fn recall(config: &Config, credentials: Credentials) -> Result<Credentials, Faults> {
    config.state.recall(credentials).map_err(|error| {
        let hint = "take the file from a backup, or remove it: the next controller that knows a list brings it again";
        vec![format!("cannot start: {error}"), hint.to_owned()]
    })
}

async fn be_adopted(
    config: &Config,
    listeners: &[TcpListener],
    stop: &CancellationToken,
    (hangup, notify): (&mut Signal, &Notify),
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
    notify.ready(&waits);
    let adopted = tokio::select! {
        adopted = adoption::wait(listeners, &config.state, &config.policy, stop) => adopted,
        never = put_off(hangup, notify, &waits) => match never {},
    };
    let adopted = adopted.map_err(|error| cannot_be_adopted(&error))?;
    match &adopted {
        Some(adopted) => tracing::info!("adopted: this agent is {} now", adopted.own().identity.name),
        None => tracing::info!("stopped before anybody adopted this agent"),
    }
    Ok(adopted)
}

/// Nobody is served yet whom new settings would concern; but whoever sent a SIGHUP may wait for an answer.
async fn put_off(hangup: &mut Signal, notify: &Notify, waits: &str) -> Infallible {
    while hangup.recv().await.is_some() {
        notify.reloading();
        tracing::warn!(
            "settings are read again at the next start, or at a SIGHUP once this agent is adopted"
        );
        notify.ready(waits);
    }
    std::future::pending().await
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

/// All that it takes to read the settings again.
struct Again {
    flags: Flags,
    running: Config,
    reload: Reload,
}

/// SIGHUP reads configuration and identity again, beside what is served: files may be slow.
fn reload_when_told(mut hangup: Signal, again: Again, notify: Arc<Notify>, addresses: String) {
    let again = Arc::new(again);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            notify.reloading();
            let applied = read_again(Arc::clone(&again)).await;
            tell_what_was_read(&again.running, applied);
            notify.ready(&serving(&again.reload.own(), &addresses));
        }
    });
}

async fn read_again(again: Arc<Again>) -> Result<(Config, Peer), Faults> {
    let reading = Arc::clone(&again);
    let decide = move || {
        let mut config = Config::decide(&reading.flags).map_err(|faults| lines(&faults))?;
        fit_to_descriptors(&mut config);
        reading.reload.check(&config).map_err(|error| vec![error.to_string()])?;
        Ok::<_, Faults>(config)
    };
    let config = aside(decide).await?;
    again.reload.tell_runner(&config).await?;
    aside(move || {
        let own = again.reload.apply(&config).map_err(|error| vec![error.to_string()])?;
        Ok((config, own))
    })
    .await
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Faults> + Send + 'static,
) -> Result<T, Faults> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(vec![error.to_string()]))
}

fn tell_what_was_read(running: &Config, applied: Result<(Config, Peer), Faults>) {
    match applied {
        Ok((config, own)) => {
            tracing::info!("read again: {} until {}", own.identity.name, own.not_after);
            tell_dates(&own);
            let audit = &config.policy.audit;
            if config.listen != running.listen || config.log != running.log || *audit != running.policy.audit
            {
                tracing::warn!("`listen`, `log` and `[audit]` change with the next start only");
            }
        }
        Err(lines) => {
            for line in lines {
                tracing::error!("kept all of the old settings: {line}");
            }
        }
    }
}

fn check(flags: &Flags) -> Result<(), Faults> {
    let config = Config::decide(flags).map_err(|faults| lines(&faults))?;
    let credentials = identity(&config).map_err(|error| cannot_start(&Error::Identity(error)))?;
    let credentials = credentials.map(|credentials| recall(&config, credentials)).transpose()?;
    let is = match &credentials {
        None => "waits there to be adopted".to_owned(),
        Some(credentials) => {
            let own = credentials.own();
            if let Some(fault) = outside_dates(own) {
                return Err(vec![format!("{}: {fault}", config.identity.display())]);
            }
            format!("identity {} until {}", own.identity.name, own.not_after)
        }
    };
    let file =
        config.file.map_or_else(|| "no file, all defaults".to_owned(), |file| file.display().to_string());
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    tell(Ok(format!("good ({file}): listens on {}, {is}\n", listen.join(", "))))
}

fn tell(text: Result<String, String>) -> Result<(), Faults> {
    let text = text.map_err(|fault| vec![fault])?;
    io::stdout().write_all(text.as_bytes()).map_err(|error| vec![error.to_string()])
}

fn verify(which: &Verify) -> Result<(), Faults> {
    let whole = audit::verify(&which.state, &which.files).map_err(|broken| vec![broken.to_string()])?;
    io::stdout().write_all(format!("{whole}\n").as_bytes()).map_err(|error| vec![error.to_string()])
}

/// Declarations go to standard output, and what could not be declared to standard error.
fn import(which: &ImportNrpe) -> Result<(), Faults> {
    let imported = nrpe::import(&which.file).map_err(|fault| vec![fault])?;
    tell(Ok(imported.declarations))?;
    for line in &imported.left_out {
        say(&format!("left out: {line}"));
    }
    say(&format!(
        "declared: {}, left out: {}; look at each, put them into agent.d beside agent.toml, and run `agent check-config`",
        imported.count,
        imported.left_out.len()
    ));
    Ok(())
}

/// What is wrong with the dates of this agent's own certificate: every controller would refuse it.
fn outside_dates(own: &Peer) -> Option<String> {
    let now = Timestamp::now();
    if now > own.not_after {
        return Some(format!(
            "the certificate ended at {}; issue a new one, or mend this machine's clock",
            own.not_after
        ));
    }
    (now < own.not_before)
        .then(|| format!("the certificate begins at {}; mend this machine's clock", own.not_before))
}

fn tell_dates(own: &Peer) {
    match outside_dates(own) {
        Some(fault) => tracing::error!("nobody will believe this agent: {fault}"),
        None if own.not_after.duration_since(Timestamp::now()) < WARN_BEFORE_END => {
            tracing::warn!(
                "the certificate ends soon, at {}; renew it with `controller renew`",
                own.not_after
            );
        }
        None => {}
    }
}

fn lines(faults: &[Fault]) -> Faults {
    faults.iter().map(ToString::to_string).collect()
}

fn cannot_start(error: &Error) -> Faults {
    let hint = match error {
        Error::Identity(error) if error.is_not_found() => {
            "leave --identity away to have this machine adopted. Or at your desk: controller issue NAME --address \
             ADDRESS\n  Carry NAME.bundle here, then: agent run --identity NAME.bundle"
                .to_owned()
        }
        Error::Identity(_) => "mend that, or issue a new one with `controller issue`".to_owned(),
        Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            "another program listens there, perhaps another agent; choose another with --listen".to_owned()
        }
        Error::Listen { .. } => "choose an address of this machine with --listen".to_owned(),
    };
    vec![format!("cannot start: {error}"), hint]
}

fn log_to_stderr(level: LevelFilter) -> Result<(Lines, Written), Faults> {
    let (lines, written) =
        log::start(io::stderr()).map_err(|error| vec![format!("cannot start: {error}")])?;
    let writer = lines.clone();
    let plain = tracing_subscriber::fmt().with_target(false).with_max_level(level).log_internal_errors(false);
    if log::is_journal() {
        plain.with_writer(ForJournal(writer)).with_ansi(false).with_level(false).without_time().init();
    } else {
        plain.with_writer(move || writer.clone()).with_ansi(io::stderr().is_terminal()).init();
    }
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

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "agent: {line}");
}
