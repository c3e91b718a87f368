//! What a person types: the list of verbs.

use clap::Parser;

use crate::commands::Verb;
use crate::desk::Shared;

/// Asks machines that run a Rollcall agent how they are.
#[derive(Debug, Parser)]
#[command(name = "controller", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  controller demo                                everything once, on this machine
  controller adopt 192.0.2.7 --name web-1        make a machine yours, with the code that `agent code` printed there
  controller info web-1                          ask it

Exit codes: 0 answered, 1 refused or failed, 2 wrong usage or a broken home, 3 not reached or not trusted.
`check` and `run` have their own.")]
pub struct Cli {
    /// What all verbs share.
    #[command(flatten)]
    pub shared: Shared,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}
