//! Parses, does what was asked for, exits.

mod check;
mod run;

use std::io::{self, Write};
use std::process::ExitCode;

use agent::cli::{AuditVerb, Cli, Flags, ImportNrpe, Verb, Verify};
use agent::config::{Config, Fault};
use agent::selfcheck::Proof;
use agent::{Error, audit, log, nrpe, owner, runner, service};
use certs::{Credentials, Peer};
use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use jiff::{SignedDuration, Timestamp};

/// Carrying a new bundle to a machine takes people a while.
const WARN_BEFORE_END: SignedDuration = SignedDuration::from_hours(14 * 24);

fn main() -> ExitCode {
    // A shell asks so what can be typed next; it ends there.
    CompleteEnv::with_factory(Cli::command).complete();
    let done = match Cli::parse().verb {
        Verb::Run(flags) => run::run(&flags),
        Verb::CheckConfig(flags) => check::check(&flags),
        Verb::Selfcheck(flags) => selfcheck(&flags),
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

/// Enters the sandbox that `run` would, and knocks at its walls.
fn selfcheck(flags: &Flags) -> Result<(), Faults> {
    let config = Config::decide(flags).map_err(|faults| lines(&faults))?;
    let proof = Proof::of(&config).map_err(|error| vec![format!("cannot check: {error}")])?;
    tell(Ok(proof.to_string()))?;
    proof.faults(config.sandbox)
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
        Error::Identity(certs::Error::Io { path, source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            let me = rustix::process::geteuid().as_raw();
            format!("give the file to the user that the agent runs as: chown {me} {}", path.display())
        }
        Error::Identity(_) => "mend that, or issue a new one with `controller issue`".to_owned(),
        Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            "another program listens there, perhaps another agent; choose another with --listen".to_owned()
        }
        Error::Listen { .. } => "choose an address of this machine with --listen".to_owned(),
    };
    vec![format!("cannot start: {error}"), hint]
}

/// In the journal it is as urgent as any error.
fn say(line: &str) {
    let urgency = if log::is_journal() { "<3>" } else { "" };
    let _ = writeln!(io::stderr(), "{urgency}agent: {line}");
}
