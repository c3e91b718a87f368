//! Parses, does what was asked for, exits.

mod check;
mod faults;
mod run;

use std::io::{self, Write};
use std::process::ExitCode;

use agent::cli::{AuditVerb, Cli, Flags, ImportNrpe, Verb, Verify};
use agent::config::Config;
use agent::selfcheck::Proof;
use agent::{audit, log, nrpe, owner, runner, service};
use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;

use faults::{Faults, lines};

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
        Verb::Runner(flags) => runner::process::run(flags),
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

/// In the journal it is as urgent as any error.
fn say(line: &str) {
    let urgency = if log::is_journal() { "<3>" } else { "" };
    let _ = writeln!(io::stderr(), "{urgency}agent: {line}");
}
