//! The same command on many hosts: each line as it comes behind the name of its host, or what they wrote, folded.

use std::cell::Cell;
use std::io::{self, Write};

use protocol::requests::run::{self, Ended, Output};
use serde::Serialize;

use super::{Run, TIMED_OUT, code_of, code_of_end, in_time};
use crate::caller::Caller;
use crate::client::Client;
use crate::commands::declared::PATIENCE;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Chosen, Fleet, Words};
use crate::output::human::{behind, harmless, milliseconds};
use crate::output::{Cell as Of, Column, Show};

/// More of one host's output than this is not kept, to be folded or to be one document.
const MAX_KEPT: usize = 1 << 20;

/// What one host's command wrote, and how it ended.
#[derive(Debug, Serialize)]
struct Ran {
    exit_code: i32,
    #[serde(flatten)]
    ended: Ended,
    output: String,
    errors: String,
}

const WORDS: Words = Words { done: "ran", ..ANSWERED };

impl Run {
    /// Runs it on all of them. The exit code is the largest of theirs.
    pub(super) async fn on_many(&self, caller: &Caller<'_>, chosen: &Chosen) -> Result<Exit, Trouble> {
        let desk = caller.desk;
        let worst = Cell::new(0);
        let ask = run::Run { name: self.what.name.clone(), parameters: self.what.values()? };
        let job = async |host: &str| {
            let ran = async {
                let mut client = caller.meet(host).await?;
                let met = client.greeted().host.clone();
                in_time(desk, &met, follow(desk, &mut client, &ask, host)).await
            };
            let ran = ran.await;
            let code = ran.as_ref().map_or_else(code_of, |ran| ran.exit_code);
            worst.set(worst.get().max(code));
            ran
        };
        let fleet = Fleet { desk, which: &self.what.which, words: WORDS };
        let exit = fleet.each(chosen, job).await?;
        caller.tell_of_endings();
        Ok(if exit == Exit::Interrupted { exit } else { Exit::Program(worst.get()) })
    }
}

async fn follow(desk: &Desk, client: &mut Client, ask: &run::Run, host: &str) -> Result<Ran, Trouble> {
    let id = client.start(ask).await?;
    let (mut output, mut errors) = (Lines::default(), Lines::default());
    while let Some(piece) = client.next::<run::Run>(id, PATIENCE).await? {
        let prints = desk.prints_as_it_comes().then_some(host);
        match piece.to {
            Some(Output::Output) => output.take(&piece.bytes, prints, io::stdout().lock())?,
            Some(Output::Errors) => errors.take(&piece.bytes, prints, io::stderr().lock())?,
            None => {}
        }
        let Some(ended) = piece.ended else { continue };
        if let Some(host) = prints {
            output.end(host, io::stdout().lock())?;
            errors.end(host, io::stderr().lock())?;
        }
        let (output, errors) = (output.kept(), errors.kept());
        return Ok(Ran { exit_code: code_of_end(&ended), ended, output, errors });
    }
    Err(Failure::ended(&client.greeted().host).into())
}

/// What came and was not a whole line yet, or is kept for the end.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Prints whole lines behind the host's name, where there is one; else keeps them.
    fn take(&mut self, bytes: &[u8], host: Option<&str>, out: impl Write) -> Result<(), Trouble> {
        let Some(host) = host else {
            let room = MAX_KEPT.saturating_sub(self.0.len());
            self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return Ok(());
        };
        self.0.extend_from_slice(bytes);
        // A line without an end would be kept for ever.
        let whole = match self.0.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if self.0.len() > MAX_KEPT => self.0.len(),
            None => 0,
        };
        let rest = self.0.split_off(whole);
        let whole = std::mem::replace(&mut self.0, rest);
        print(host, &whole, out)
    }

    fn end(&mut self, host: &str, out: impl Write) -> Result<(), Trouble> {
        print(host, &std::mem::take(&mut self.0), out)
    }

    fn kept(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

fn print(host: &str, lines: &[u8], mut out: impl Write) -> Result<(), Trouble> {
    let text = behind(host, &String::from_utf8_lossy(lines));
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Trouble::Stdout)
}

impl Show for Ran {
    const SCHEMA: &'static str = "rollcall.ran/1";
    const IS_PRINTED: bool = true;

    fn table(&self, _: &str) -> String {
        let mut text = harmless(&self.output) + &harmless(&self.errors);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    fn odd(&self) -> Option<String> {
        match (self.exit_code, self.ended.signal) {
            (0, _) => None,
            (TIMED_OUT, _) if self.ended.timed_out => Some("did not end in time".to_owned()),
            (_, Some(signal)) => Some(format!("ended by signal {signal}")),
            (code, None) => Some(format!("ended with {code}")),
        }
    }

    fn columns() -> Vec<Column<Ran>> {
        vec![
            Column::usual("code", "exit_code", |it| Of::told(it.exit_code, it.exit_code.to_string())),
            Column::usual("took", "took_seconds", |it| {
                Of::told(it.ended.took_seconds, milliseconds(it.ended.took_seconds))
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_behind_their_host_and_are_not_torn() {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for piece in ["one\ntw", "o\n\u{1b}[31m", "three"] {
            lines.take(piece.as_bytes(), Some("web-1"), &mut out).unwrap();
        }
        assert_eq!(String::from_utf8_lossy(&out), "web-1: one\nweb-1: two\n");
        lines.end("web-1", &mut out).unwrap();
        assert!(String::from_utf8_lossy(&out).ends_with("web-1: \u{fffd}[31mthree\n"));
    }
}
