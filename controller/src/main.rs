//! Parses, runs, exits.

use std::process::ExitCode;

use clap::Parser;
use controller::cli::Cli;
use controller::commands;
use controller::desk::Desk;
use controller::error::Trouble;

fn main() -> ExitCode {
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
