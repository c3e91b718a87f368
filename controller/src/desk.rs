//! Where the person sits: which home, how to print, how long to wait. Every verb is run at a desk.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::{Format, Shared};
use crate::client::Client;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::home::Home;
use crate::hosts::Host;
use crate::output::{self, Show};

/// What a verb needs to know of its surroundings.
#[derive(Debug)]
pub struct Desk {
    /// Where things are kept.
    pub home: Home,
    /// How long to wait at each stage.
    pub timeout: Duration,
    format: Format,
    quiet: bool,
    verbose: bool,
}

impl Desk {
    /// The desk that the flags describe.
    pub fn new(shared: &Shared) -> Desk {
        Desk {
            home: Home::locate(shared.home.as_deref()),
            timeout: shared.timeout,
            format: shared.output,
            quiet: shared.quiet,
            verbose: shared.verbose,
        }
    }

    /// The same desk with another home, and no remarks.
    pub fn with_home(&self, home: &Path) -> Desk {
        Desk { home: Home::locate(Some(home)), quiet: true, ..*self }
    }

    /// Whether answers are for eyes.
    pub fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Finds out who is meant, and connects.
    ///
    /// # Errors
    /// The home is broken, or the host was not reached or not trusted.
    pub async fn connect(&self, host: &str) -> Result<Client, Trouble> {
        let credentials = self.home.credentials()?;
        let host = Host::resolve(host, &self.home.inventory()?)?;
        Client::connect(&host, &credentials, self.timeout, self.trace()).await
    }

    /// Prints an answer.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn show<T: Show>(&self, host: &str, answer: &T) -> Result<(), Trouble> {
        let text = match self.format {
            Format::Table => answer.table(host),
            Format::Json => output::json::document(T::SCHEMA, &output::json::Entry::answer(host, answer)),
            Format::Jsonl => output::json::line(T::SCHEMA, &output::json::Entry::answer(host, answer)),
        };
        self.print(&text)
    }

    /// Prints what is neither an answer nor a failure, such as what to do next.
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

    /// Tells what went wrong: people on standard error, scripts in the format they asked for.
    pub fn report(&self, trouble: &Trouble) -> Exit {
        match trouble {
            // Whoever closed the pipe has seen enough.
            Trouble::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Answered,
            Trouble::Host(failure) if self.format != Format::Table => {
                let entry = output::json::Entry::<()>::failure(failure);
                let schema = output::json::FAILURE_SCHEMA;
                let text = match self.format {
                    Format::Json => output::json::document(schema, &entry),
                    _ => output::json::line(schema, &entry),
                };
                let _ = self.print(&text);
            }
            _ => {}
        }
        let _ = write!(io::stderr(), "{}", trouble.text());
        trouble.exit()
    }

    fn trace(&self) -> Trace {
        Trace { since: self.verbose.then(Instant::now) }
    }
}

/// Says each stage as it passes, when asked to.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    since: Option<Instant>,
}

impl Trace {
    /// Says nothing.
    pub fn silent() -> Trace {
        Trace { since: None }
    }

    /// One stage has passed.
    pub fn say(&self, what: impl FnOnce() -> String) {
        if let Some(since) = self.since {
            let _ = writeln!(io::stderr(), "{:>9.3} ms  {}", since.elapsed().as_secs_f64() * 1e3, what());
        }
    }
}
