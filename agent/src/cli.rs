//! What a person types.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::config::{parse_listen, parse_log};

/// Answers a fixed list of requests, to controllers of its own authority and to nobody else.
#[derive(Debug, Parser)]
#[command(name = "agent", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
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
    /// Answer requests until told to stop. SIGHUP reads configuration and identity again; SIGTERM ends what is in
    /// flight and stops, a second one stops at once.
    Run(Flags),
    /// Read configuration and identity, and say everything that is wrong with them.
    CheckConfig(Flags),
}

/// Where to find things; flags win over the configuration file.
#[derive(Debug, Clone, Args)]
pub struct Flags {
    /// The configuration file [default: /etc/rollcall/agent.toml, where there is one].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder for what the agent keeps.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/rollcall")]
    pub state: PathBuf,
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
