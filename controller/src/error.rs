//! Every failure in words: at which stage, what, why, and what to do next. At most three lines each.

mod failure;
mod handshake;
mod kind;

use std::io;

use certs::Error;

pub use self::failure::Failure;
pub(crate) use self::handshake::{SET_A_CLOCK, USE_YOUR_OWN};
pub use self::kind::{Kind, Stage};
use crate::exit::Exit;
use crate::output::human;

/// Why a verb could not do its work.
#[derive(Debug)]
pub enum Trouble {
    /// Something at this desk: what it is, and what to do.
    Here(String, String),
    /// A host was not reached, not trusted, or did not answer.
    Host(Failure),
    /// Standard output cannot be written.
    Stdout(io::Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Host(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Here(error.to_string(), String::new())
    }
}

impl Trouble {
    /// What a person reads.
    pub fn text(&self) -> String {
        let (what, why, hint) = self.told();
        match self {
            Trouble::Host(failure) => failure.text(),
            Trouble::Here(..) | Trouble::Stdout(_) => in_lines(&what, &why, &hint),
        }
    }

    /// What happened, why, and what to do next.
    pub(crate) fn told(&self) -> (String, String, String) {
        match self {
            Trouble::Here(what, hint) => (what.clone(), String::new(), hint.clone()),
            Trouble::Host(failure) => (failure.message.clone(), failure.why.clone(), failure.hint.clone()),
            Trouble::Stdout(error) => {
                (format!("cannot write the answer: {error}"), String::new(), String::new())
            }
        }
    }

    /// The same as a failure of one host among many; of what kind it is when it lies at this desk, and what mends that, the
    /// verb knows.
    pub(crate) fn of_host(self, label: &str, kind: Kind, usual: &str) -> Failure {
        let (message, hint) = match self {
            Trouble::Host(failure) => return Failure { host: label.to_owned(), ..failure },
            Trouble::Here(what, hint) => (what, hint),
            Trouble::Stdout(error) => (error.to_string(), String::new()),
        };
        let hint = if hint.is_empty() { usual.to_owned() } else { hint };
        Failure { host: label.to_owned(), stage: kind.stage(), kind, message, why: String::new(), hint }
    }

    /// What a script reads.
    pub fn exit(&self) -> Exit {
        match self {
            Trouble::Here(..) => Exit::NotAsked,
            Trouble::Host(failure) if failure.stage.is_before_trust() => Exit::NotReached,
            Trouble::Host(_) | Trouble::Stdout(_) => Exit::Refused,
        }
    }
}

fn in_lines(what: &str, why: &str, hint: &str) -> String {
    let mut text = format!("controller: {}\n", human::plain(what));
    for (label, line) in [("why", why), ("try", hint)] {
        if !line.is_empty() {
            text += &format!("  {label}: {}\n", human::plain(line));
        }
    }
    text
}
