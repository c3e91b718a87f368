//! Where the person sits: which home, how to print, how long to wait. Every verb is run at a desk.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::error::Trouble;
use crate::exit::Exit;
use crate::expiry::Told;
use crate::home::Home;
use crate::output::json::{self, Entry};
use crate::output::{Format, Show};
use crate::passphrase::Source;
use crate::span::parse_duration;
use crate::trace::Trace;

/// How long to wait at each stage, where nobody says.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Flags that mean the same on every verb.
#[derive(Debug, Clone, Args)]
pub struct Shared {
    /// Where authority, identity and hosts are kept [default: ~/.config/rollcall].
    #[arg(long, global = true, value_name = "DIR", env = "ROLLCALL_HOME")]
    pub home: Option<PathBuf>,
    /// How to print answers.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
    /// How long to wait at each stage: lookup, connect, TLS, answer [default: 10s; for what `run` and `check` start, as long as it
    /// may run].
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Read the authority's passphrase, where it carries one, from this descriptor: one line [default: ask].
    #[arg(long, global = true, value_name = "N")]
    pub passphrase_fd: Option<u32>,
    /// Print answers only.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say each stage as it passes, with its time.
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// What a verb needs to know of its surroundings.
#[derive(Debug)]
pub struct Desk {
    /// Where things are kept.
    pub home: Home,
    /// How long to wait at each stage.
    pub timeout: Duration,
    /// The same, where somebody said so.
    pub patience: Option<Duration>,
    pub(crate) format: Format,
    quiet: bool,
    verbose: bool,
    pub(crate) told: Told,
}

impl Desk {
    /// The desk that the flags describe.
    pub fn new(shared: &Shared) -> Desk {
        let passphrase = shared.passphrase_fd.map_or(Source::Terminal, Source::Descriptor);
        Desk {
            home: Home::locate(shared.home.as_deref()).with_passphrase_from(passphrase),
            timeout: shared.timeout.unwrap_or(TIMEOUT),
            patience: shared.timeout,
            format: shared.output,
            // A monitoring system may take both outputs for one.
            quiet: shared.quiet || shared.output == Format::Nagios,
            verbose: shared.verbose,
            told: Told::default(),
        }
    }

    /// The same desk with another home, and no remarks.
    pub fn with_home(&self, home: &Path) -> Desk {
        Desk { home: Home::locate(Some(home)), quiet: true, told: Told::default(), ..*self }
    }

    /// The same desk with other limits: for each stage, and for what may take longer.
    pub fn with_limits(&self, timeout: Duration, patience: Duration) -> Desk {
        let patience = Some(patience);
        Desk { home: self.home.clone(), timeout, patience, told: Told::default(), ..*self }
    }

    /// Whether answers are one JSON document, which a stream of them cannot be.
    pub fn is_one_document(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether answers are text, and no JSON.
    pub fn is_text(&self) -> bool {
        !matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Whether what a command writes is for eyes, as it comes.
    pub(crate) fn prints_as_it_comes(&self) -> bool {
        matches!(self.format, Format::Table | Format::Lines)
    }

    /// Whether the answer of one host alone can be printed so.
    pub(crate) fn suits_one(&self) -> bool {
        matches!(self.format, Format::Table | Format::Json | Format::Jsonl)
    }

    /// What has one answer has no form for many.
    ///
    /// # Errors
    /// It is to be printed in such a form.
    pub(crate) fn demand_form_of_one(&self) -> Result<(), Trouble> {
        match self.suits_one() {
            true => Ok(()),
            false => {
                let what = "this is no answer of many hosts, and has no such form".to_owned();
                Err(Trouble::Here(what, "use --output table, json or jsonl".to_owned()))
            }
        }
    }

    /// Prints an answer, and tells what was in the way of a better one.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn show<T: Show>(&self, host: &str, answer: &T) -> Result<Exit, Trouble> {
        let text = self.form(T::SCHEMA, &Entry::answer(host, answer), || answer.table(host));
        self.print(&text)?;
        Ok(answer.failure().map_or(Exit::Answered, |failure| tell(&failure.clone().into())))
    }

    /// Whether only what was asked for is printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints to standard output.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print(&self, text: &str) -> Result<(), Trouble> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Trouble::Stdout)
    }

    /// A remark beside the answers; not with `--quiet`.
    pub fn remark(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Tells people what must not be missed.
    pub(crate) fn say(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Tells what went wrong: people on standard error, scripts in the format they asked for.
    pub fn report(&self, trouble: &Trouble) -> Exit {
        match trouble {
            // Whoever closed the pipe has seen enough.
            Trouble::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Answered,
            Trouble::Host(failure) => {
                let entry = Entry::missed(&failure.host, failure);
                let text = self.form(json::FAILURE_SCHEMA, &entry, String::new);
                let _ = self.print(&text);
            }
            _ => {}
        }
        tell(trouble)
    }

    fn form<T: Serialize>(
        &self,
        schema: &str,
        entry: &Entry<'_, T>,
        for_eyes: impl FnOnce() -> String,
    ) -> String {
        match self.format {
            Format::Json => json::document(schema, entry),
            Format::Jsonl => json::line(schema, entry),
            _ => for_eyes(),
        }
    }

    pub(crate) fn trace(&self) -> Trace {
        Trace::new(self.verbose)
    }
}

fn tell(trouble: &Trouble) -> Exit {
    let _ = write!(io::stderr(), "{}", trouble.text());
    trouble.exit()
}
