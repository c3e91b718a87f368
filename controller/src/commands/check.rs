//! `controller check`: whether machines are well, by the convention of monitoring plugins: one of four exit codes, and a line on
//! standard output whatever happened.

mod declared;
mod examine;
mod health;

pub(crate) use self::examine::examine;
pub(crate) use self::health::Plans;

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use protocol::requests::check::State;
use protocol::requests::explain::Sort;
use serde::Serialize;

use crate::caller::Caller;
use crate::commands::declared::{What, parse_parameter};
use crate::commands::explain::explain;
use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Chosen, Which, Words};
use crate::health::checks::{self, Listed};
use crate::health::finding::worst;
use crate::health::flags::Flags;
use crate::output::Format;
use crate::output::human::plain;
use crate::output::json;

/// Whether machines are well: exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
#[derive(Debug, Args)]
#[command(
    after_help = "Without NAME, the checks are those that are built in, and `controller check --list` explains each.
Examples:
  controller check @web                                everything that is usual
  controller check @web --disk 70%,85% --service nginx and what is not
  controller check web-1 --only load --load 2,4        one alone
  controller check web-1 mail-queue                    a check that its owner declared
  controller check @web --output prometheus --to /var/lib/node_exporter/rollcall.prom"
)]
pub struct Check {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`; joined by commas.
    #[arg(required_unless_present_any = ["list", "hosts_file"], add = completion::hosts())]
    pub hosts: Option<String>,
    /// A check that the owner of the machines declared, in place of those that are built in.
    #[arg(add = completion::declared())]
    pub name: Option<String>,
    /// A value for each of its parameters.
    #[arg(value_name = "NAME=VALUE", value_parser = parse_parameter, add = completion::parameters())]
    pub parameters: Vec<(String, String)>,
    /// Show what exactly would run, and do not run it.
    #[arg(long, requires = "name")]
    pub explain: bool,
    /// Say what can be checked, and what is usual.
    #[arg(long)]
    pub list: bool,
    /// Check what this profile says, on all of them.
    #[arg(long, value_name = "PROFILE", conflicts_with = "name")]
    pub profile: Option<String>,
    /// Take profiles from this file [default: checks.toml in the home, where there is one].
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    pub profiles: Option<PathBuf>,
    /// Write it to this file, all at once, in place of standard output: nagios, prometheus and junit.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// What to check, and what of it is bad.
    #[command(flatten)]
    pub flags: Flags,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

/// What is said of hosts that are checked.
const WORDS: Words = Words { done: "OK", ..ANSWERED };

/// The worst that was found so far, which decides how all of it ends.
#[derive(Default)]
struct Worst(Cell<Option<State>>);

impl Worst {
    fn add(&self, state: State) {
        self.0.set(Some(worst(self.0.get().into_iter().chain([state]))));
    }

    fn exit(&self, exit: Exit) -> Exit {
        match exit {
            Exit::Interrupted => exit,
            _ => Exit::Program(self.state().code()),
        }
    }

    fn state(&self) -> State {
        self.0.get().unwrap_or(State::Unknown)
    }
}

impl Check {
    /// Asks and shows. Whatever is in the way is `UNKNOWN`.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        if self.list {
            return list(desk);
        }
        match self.begin(desk).await {
            Ok(exit) => Ok(exit),
            // Also where nobody reads it: the other code would say that all is well.
            Err(trouble @ Trouble::Stdout(_)) => {
                desk.report(&trouble);
                Ok(Exit::Program(State::Unknown.code()))
            }
            Err(trouble) => {
                if desk.format.has_a_status_line() {
                    let text = trouble.text();
                    say_unknown(text.lines().next().unwrap_or_default());
                }
                desk.report(&trouble);
                Ok(Exit::Program(State::Unknown.code()))
            }
        }
    }

    async fn begin(&self, desk: &Desk) -> Result<Exit, Trouble> {
        self.refuse_misuse(desk.format)?;
        let what = self.what();
        if let Some(what) = what.as_ref().filter(|_| self.explain) {
            return explain(desk, Sort::Check, what, |_| State::Unknown.code()).await;
        }
        let caller = Caller::at(desk)?;
        let named: Vec<String> = self.hosts.iter().cloned().collect();
        let chosen = self.which.choose(&named, desk, &caller.inventory)?;
        let caller = if chosen.is_one { caller } else { caller.of_many() };
        let exit = self.ask(&caller, &chosen, what).await?;
        caller.tell_of_endings();
        Ok(exit)
    }

    async fn ask(&self, caller: &Caller<'_>, chosen: &Chosen, what: Option<What>) -> Result<Exit, Trouble> {
        let Some(what) = what else { return self.health(caller, chosen).await };
        // What a plugin wrote is what is to be shown, but for forms that have no place for it.
        match (caller.desk.format, chosen.labels.as_slice()) {
            (Format::Nagios, [host]) => {
                let (text, state) = declared::alone(caller, host, &what).await?;
                self.write(caller, &text)?;
                Ok(Exit::Program(state.code()))
            }
            (Format::Nagios | Format::Prometheus | Format::Junit, _) => self.health(caller, chosen).await,
            _ => declared::run(caller, chosen, &what).await,
        }
    }

    /// What would be ignored silently is refused: somebody meant something by it.
    fn refuse_misuse(&self, format: Format) -> Result<(), Trouble> {
        let misuse = |what: &str, hint: &str| Err(Trouble::Here(what.to_owned(), hint.to_owned()));
        if self.name.is_some() && !self.flags.is_empty() {
            let what =
                "NAME is a check that its owner declared, and flags of the built-in checks do not go with it";
            return misuse(
                what,
                "nobody was asked; leave out those flags, or write --declared NAME beside them",
            );
        }
        if let Some(check) = self.flags.in_vain() {
            let what = format!("--{check} says how to check it, and --only or --skip leaves it out");
            return misuse(&what, "nobody was asked; name it under --only too, or leave it out");
        }
        if self.to.is_some() && !matches!(format, Format::Nagios | Format::Prometheus | Format::Junit) {
            let what = "--to is for --output nagios, prometheus and junit only";
            return misuse(what, "nobody was asked; choose one of these, or leave --to out");
        }
        Ok(())
    }

    /// What the owner declared, where that is meant.
    fn what(&self) -> Option<What> {
        Some(What {
            hosts: self.hosts.clone().unwrap_or_default(),
            name: self.name.clone()?,
            parameters: self.parameters.clone(),
            explain: self.explain,
            which: self.which.clone(),
        })
    }
}

/// What can be checked.
fn list(desk: &Desk) -> Result<Exit, Trouble> {
    desk.demand_form_of_one()?;
    #[derive(Serialize)]
    struct Document {
        schema: &'static str,
        checks: Vec<Listed>,
    }
    const SCHEMA: &str = "rollcall.checks/1";
    match desk.format {
        Format::Json => {
            desk.print(&json::document_of(&Document { schema: SCHEMA, checks: checks::list() }))?;
        }
        Format::Jsonl => {
            checks::list().iter().try_for_each(|listed| desk.print(&json::line(SCHEMA, listed)))?;
        }
        _ => desk.print(&checks::table())?,
    }
    Ok(Exit::Answered)
}

/// The line that stands on standard output when there is nothing else to say. A person reads it on standard error.
pub fn say_unknown(why: &str) {
    let mut stdout = io::stdout();
    if !stdout.is_terminal() {
        let _ = stdout.write_all(status(State::Unknown, why).as_bytes());
    }
}

fn status(state: State, why: &str) -> String {
    format!("{} - {}\n", state.word(), plain(why))
}
