//! What a person types.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jiff::{Span, SpanRelativeTo};
use tracing::level_filters::LevelFilter;

use crate::config::{parse_listen, parse_log};

/// Answers a fixed list of requests, to controllers of its own authority and to nobody else.
#[derive(Debug, Parser)]
#[command(name = "agent", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  sudo agent install                               make it a service of this machine, and print the code
  agent run --listen 0.0.0.0:5669                  wait to be adopted, then answer
  agent code                                       the one-time code, and what to type at your desk
  agent run --identity web-1.bundle --listen 0.0.0.0:5669
  agent check-config --config /etc/rollcall/agent.toml")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Answer requests until told to stop. An agent without an identity waits to be adopted first. SIGHUP reads configuration and identity again; SIGTERM ends what is in
    /// flight and stops, a second one stops at once.
    Run(Flags),
    /// Read configuration and identity, and say everything that is wrong with them.
    CheckConfig(Flags),
    /// Enter the sandbox that `run` enters, try from inside what it forbids, and print the kernel's answers; exit code 1
    /// says that something got through. Takes the flags of `run`, for the same sandbox.
    Selfcheck(Flags),
    /// Print a one-time code with which this machine can be adopted. A code that was printed before is void.
    Code(Code),
    /// Forget whom this machine belongs to, so that it can be adopted again.
    Reset(Reset),
    /// What was asked of this agent.
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Write declarations for the commands of an NRPE configuration, and name each that needs a shell.
    ImportNrpe(ImportNrpe),
    /// Make the agent a service of this machine, start it, and print the code with which it is adopted. Twice is harmless.
    Install(Install),
    /// Stop the service and take away what `agent install` made, but for its configuration and its state.
    Uninstall(Uninstall),
    /// How the service is. Exit code 0: it runs; 3: it does not.
    Status(Status),
    /// The process that starts what is declared; `agent run` starts it where something is.
    #[command(hide = true)]
    Runner(RunnerFlags),
}

/// What to import.
#[derive(Debug, Clone, Args)]
pub struct ImportNrpe {
    /// The configuration, such as /etc/nagios/nrpe.cfg; what it includes is read too.
    pub file: PathBuf,
}

/// What the runner reads by itself.
#[derive(Debug, Clone, Args)]
pub struct RunnerFlags {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A folder where the process that talks to the network may write; may be given more than once.
    #[arg(long, value_name = "DIR")]
    pub writable: Vec<PathBuf>,
}

/// Make the agent a service.
#[derive(Debug, Clone, Copy, Args)]
pub struct Install {
    /// Print every file and command, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Take the service away.
#[derive(Debug, Clone, Copy, Args)]
pub struct Uninstall {
    /// Remove configuration, identity, audit log and user as well.
    #[arg(long)]
    pub purge: bool,
    /// Print every step, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// How the service is.
#[derive(Debug, Clone, Args)]
pub struct Status {
    /// Where the agent keeps things.
    #[command(flatten)]
    pub folder: StateFolder,
}

/// The folder for what the agent keeps.
#[derive(Debug, Clone, Args)]
pub struct StateFolder {
    /// The folder for what the agent keeps.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/rollcall")]
    pub state: PathBuf,
}

/// Print a one-time code.
#[derive(Debug, Clone, Args)]
pub struct Code {
    /// Where the agent keeps it.
    #[command(flatten)]
    pub folder: StateFolder,
    /// How long the code lives.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = parse_life)]
    pub life: Duration,
}

/// Forget whom this machine belongs to.
#[derive(Debug, Clone, Args)]
pub struct Reset {
    /// Where the agent keeps it.
    #[command(flatten)]
    pub folder: StateFolder,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// A code lives for minutes, or for some days where somebody else carries it.
fn parse_life(text: &str) -> Result<Duration, String> {
    const WEEK: Duration = Duration::from_secs(7 * 86_400);
    let life = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let life = life.ok().and_then(|life| Duration::try_from(life).ok());
    let life = life.filter(|life| (Duration::from_secs(1)..=WEEK).contains(life));
    life.ok_or_else(|| "a code lives from 1s to 7d, such as 10m or 1h".to_owned())
}

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Check every record of the audit log against its hash and the one before it; exit code 1 names the first that
    /// does not fit.
    Verify(Verify),
}

/// Which audit log.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The folder for what the agent keeps.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/rollcall")]
    pub state: PathBuf,
    /// Files to check in place of those in the state folder, oldest first.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Where to find things; flags win over the configuration file.
#[derive(Debug, Clone, Args)]
pub struct Flags {
    /// The configuration file [default: /etc/rollcall/agent.toml, where there is one].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the agent keeps things.
    #[command(flatten)]
    pub folder: StateFolder,
    /// The identity bundle that `controller issue` wrote [default: identity.bundle in the state folder].
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Where to listen; may be given more than once [default: 127.0.0.1:5669].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    pub listen: Vec<SocketAddr>,
    /// How much to log: error, warn, info or debug [default: info].
    #[arg(long, value_name = "LEVEL", env = "ROLLCALL_LOG", value_parser = parse_log)]
    pub log: Option<LevelFilter>,
}
