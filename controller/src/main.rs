//! Parses, runs, exits.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use clap_complete::CompleteEnv;
use controller::cli::Cli;
use controller::commands::{self, check, run};
use controller::desk::Desk;
use controller::error::Trouble;
use controller::exit::Exit;
use controller::output::Format;
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
    let verb = words().into_iter().find(|word| Cli::command().find_subcommand(word).is_some());
    let exit = match (error.exit_code(), verb.as_deref()) {
        (0, _) => Exit::Answered,
        (_, Some("check")) => {
            if format().has_a_status_line() {
                check::say_unknown(&in_one_line(error));
            }
            Exit::Program(State::Unknown.code())
        }
        (_, Some("run")) => Exit::Program(run::FAILED),
        _ => Exit::NotAsked,
    };
    std::process::exit(exit.code())
}

/// What was typed, which may be no text at all.
fn words() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The form that was asked for, as far as it can be read where all else cannot.
fn format() -> Format {
    let words = words();
    let apart = words.windows(2).filter(|two| two[0] == "--output").map(|two| two[1].as_str());
    let together = words.iter().filter_map(|word| word.strip_prefix("--output="));
    let format = apart.chain(together).last().and_then(|word| Format::from_str(word, false).ok());
    format.unwrap_or(Format::Table)
}

/// What is wrong, without what clap says besides.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let line = lines.collect::<Vec<&str>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
