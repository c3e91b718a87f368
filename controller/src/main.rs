//! Parses, runs, exits.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use controller::cli::Cli;
use controller::commands;
use controller::desk::Desk;
use controller::error::Trouble;

fn main() -> ExitCode {
    // A shell asks so what can be typed next; it ends there.
    CompleteEnv::with_factory(Cli::command).complete();
    let cli = Cli::parse();
    let desk = Desk::new(&cli.shared);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli.verb, &desk)),
        Err(error) => Err(Trouble::Here(format!("cannot start: {error}"), String::new())),
    };
    let exit = done.unwrap_or_else(|trouble| desk.report(&trouble));
    // The answer is out: what is left to tear down is not worth anybody's time.
    std::process::exit(exit.code())
}
