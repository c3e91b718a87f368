//! Parses, runs, exits.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;
use controller::cli::Cli;
use controller::commands::{self, check, run};
use controller::desk::Desk;
use controller::error::Trouble;
use controller::exit::Exit;
use protocol::requests::check::State;

fn main() -> ExitCode {
    // A shell asks so what can be typed next; it ends there.
    CompleteEnv::with_factory(Cli::command).complete();
    let cli = Cli::try_parse().unwrap_or_else(|error| usage(&error));
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

/// Says what is wrong with what was typed. `check` and `run` have codes of their own for that, as for everything.
fn usage(error: &clap::Error) -> ! {
    // Whoever knows the flag has no use for the help: what is wrong with its value is a line.
    let _ = match error.kind() {
        ErrorKind::ValueValidation => writeln!(io::stderr(), "controller: {}", in_one_line(error)),
        _ => error.print(),
    };
    // What stands behind a flag such as --home is no verb.
    let verb = std::env::args().skip(1).find(|word| Cli::command().find_subcommand(word).is_some());
    let exit = match (error.exit_code(), verb.as_deref()) {
        (0, _) => Exit::Answered,
        (_, Some("check")) => {
            // What was not understood was to be text, where nothing says otherwise.
            let others = ["json", "jsonl", "csv", "prometheus", "junit"];
            let is_other = |word: String| others.contains(&word.strip_prefix("--output=").unwrap_or(&word));
            if !std::env::args().any(is_other) {
                check::say_unknown(&in_one_line(error));
            }
            Exit::Program(State::Unknown.code())
        }
        (_, Some("run")) => Exit::Program(run::FAILED),
        _ => Exit::NotAsked,
    };
    std::process::exit(exit.code())
}

/// What is wrong, without what clap says besides.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let line = lines.collect::<Vec<&str>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
