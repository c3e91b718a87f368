//! Parses, decides, binds, serves, exits.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use agent::adoption::{self, Adopted};
use agent::audit;
use agent::cli::{AuditVerb, Cli, Flags, ImportNrpe, Verb, Verify};
use agent::config::{Config, Fault};
use agent::log::{self, Lines, Written};
use agent::runner::{self, Runner, Spawned};
use agent::{Agent, Error, Reload, nrpe, owner};
use certs::{Credentials, Peer};
use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

/// Carrying a new bundle to a machine takes people a while.
const WARN_BEFORE_END: SignedDuration = SignedDuration::from_hours(14 * 24);

fn main() -> ExitCode {
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
    let served = runtime.block_on(serve(flags, &config, runner));
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

async fn serve(flags: &Flags, config: &Config, runner: Option<Spawned>) -> Result<(), Faults> {
    let runner = match runner {
        Some(spawned) => Some(Runner::meet(spawned).await.map_err(no_runner)?),
        None => None,
    };
    let known = identity(config).map_err(|error| cannot_start(&Error::Identity(error)))?;
    if known.is_none() {
        config.state.create().map_err(|error| cannot_be_adopted(&error))?;
    }
    let _alone = config.state.hold().map_err(|error| vec![format!("cannot start: {error}")])?;
    let listeners = agent::listen(config).map_err(|error| cannot_start(&error))?;
    let stop = CancellationToken::new();
    let no_signals = |error: io::Error| vec![format!("cannot listen for signals: {error}")];
    stop_when_told(stop.clone()).map_err(no_signals)?;
    let hangup = signal(SignalKind::hangup()).map_err(no_signals)?;
    let policy = config.policy.clone();
    let agent = match known {
        Some(credentials) => Agent::on(&recall(config, credentials)?, listeners, policy),
        None => match be_adopted(config, &listeners, &stop).await? {
            Some(adopted) => Agent::adopted(adopted, listeners, policy),
            None => return Ok(()),
        },
    };
    let agent = agent.map_err(|error| cannot_start(&error))?.kept_in(&config.identity);
    let agent = agent.starting(config.declarations.clone(), runner);
    reload_when_told(hangup, flags.clone(), config.clone(), agent.reload());
    let own = agent.own();
    let addresses: Vec<String> = agent.addresses().iter().map(ToString::to_string).collect();
    tracing::info!(
        "{} is ready on {}; its certificate ends {}",
        own.identity.name,
        addresses.join(", "),
        own.not_after
    );
    tell_dates(&own);
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

/// SIGHUP reads configuration and identity again, beside what is served: files may be slow.
fn reload_when_told(mut hangup: Signal, flags: Flags, running: Config, reload: Reload) {
    let all = Arc::new((flags, running, reload));
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let applied = read_again(Arc::clone(&all)).await;
            tell_what_was_read(&all.1, applied);
        }
    });
}

async fn read_again(all: Arc<(Flags, Config, Reload)>) -> Result<(Config, Peer), Faults> {
    let again = Arc::clone(&all);
    let decide = move || {
        let mut config = Config::decide(&again.0).map_err(|faults| lines(&faults))?;
        fit_to_descriptors(&mut config);
        again.2.check(&config).map_err(|error| vec![error.to_string()])?;
        Ok::<_, Faults>(config)
    };
    let config = aside(decide).await?;
    all.2.tell_runner(&config).await?;
    aside(move || {
        let own = all.2.apply(&config).map_err(|error| vec![error.to_string()])?;
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

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "agent: {line}");
}
