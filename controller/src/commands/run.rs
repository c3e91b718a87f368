//! `controller run`: a declared command. What it writes comes as it is written, its two outputs apart, and its exit code is
//! this program's.

mod many;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};
use std::{process, thread};

use clap::Args;
use protocol::refusal;
use protocol::requests::explain::Sort;
use protocol::requests::run::{self, Ended, Output, Piece};
use serde::Serialize;
use tokio::runtime::Builder;
use tokio::signal::ctrl_c;
use tokio::time::timeout;

use crate::caller::Caller;
use crate::client::Client;
use crate::commands::declared::{PATIENCE, What};
use crate::commands::explain::explain;
use crate::desk::Desk;
use crate::error::{Failure, Kind, Trouble};
use crate::exit::Exit;
use crate::hosts::Host;
use crate::output::Show;
use crate::output::human::{bytes, harmless};

/// Its time was over.
const TIMED_OUT: i32 = 124;
/// Something is in the way on this side, on the way, or on the machine.
pub const FAILED: i32 = 125;
/// The agent refused.
const REFUSED: i32 = 126;
/// Nothing of this name is declared there.
const NOT_DECLARED: i32 = 127;
/// What shells add to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;
/// Ctrl-C.
const INTERRUPTED: i32 = 130;

/// For a tidy end, unless it is said twice.
const TIDY: Duration = Duration::from_millis(800);

/// Run a command that a machine's owner declared: its output as it comes, and its exit code.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: the command's own; 128 and the signal that ended it; 124 its time was over, 125 it could not be run,\n\
                  126 refused, 127 not declared, 130 Ctrl-C"
)]
pub struct Run {
    /// Which, and with what.
    #[command(flatten)]
    pub what: What,
}

/// A piece, with its bytes as text.
#[derive(Debug, Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    piece: &'a Piece,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Run {
    /// Asks, passes on what comes, and ends as the command did.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        end_though_nobody_reads();
        let begun = match self.what.explain {
            true => explain(desk, Sort::Command, &self.what, code_of).await,
            false => self.begin(desk).await,
        };
        match begun {
            Err(trouble) => match (desk.report(&trouble), &trouble) {
                // Whoever reads has seen enough.
                (Exit::Answered, Trouble::Stdout(_)) => Ok(Exit::Answered),
                _ => Ok(Exit::Program(code_of(&trouble))),
            },
            exit => exit,
        }
    }

    async fn begin(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let caller = Caller::at(desk)?;
        let hosts = std::slice::from_ref(&self.what.hosts);
        let chosen = self.what.which.choose(hosts, desk, &caller.inventory)?;
        if !(chosen.is_one && desk.suits_one()) {
            return self.on_many(&caller.of_many(), &chosen).await;
        }
        if desk.is_one_document() {
            let what = "run prints what comes as it comes, which is no one JSON document".to_owned();
            return Err(Trouble::Here(what, "use --output jsonl: one object a line".to_owned()));
        }
        let client = caller.meet(&chosen.labels[0]).await?;
        Ok(Exit::Program(self.conduct(desk, client).await?))
    }

    async fn conduct(&self, desk: &Desk, mut client: Client) -> Result<i32, Trouble> {
        let ask = run::Run { name: self.what.name.clone(), parameters: self.what.values()? };
        let id = client.start(&ask).await?;
        let revoked = client.revoked();
        let host = client.greeted().host.clone();
        tokio::select! {
            ended = in_time(desk, &host, self.follow(desk, &mut client, id)) => return Ok(tell(desk, &ended?)),
            failure = revoked => return Err(failure.into()),
            _ = ctrl_c() => {}
        }
        client.cancel(id).await?;
        Ok(INTERRUPTED)
    }

    async fn follow(&self, desk: &Desk, client: &mut Client, id: u64) -> Result<Ended, Trouble> {
        let mut terminals = Terminals::default();
        let mut stalled = Duration::ZERO;
        loop {
            let piece = client.next::<run::Run>(id, PATIENCE).await;
            let Some(piece) = piece.map_err(|failure| failure.after_a_stall(stalled))? else { break };
            let began = Instant::now();
            if desk.is_text() {
                terminals.pass_on(&piece).map_err(Trouble::Stdout)?;
            } else {
                let text = piece.to.map(|_| String::from_utf8_lossy(&piece.bytes).into_owned());
                desk.show(&self.what.hosts, &Told { piece: &piece, text })?;
            }
            stalled = stalled.max(began.elapsed());
            if let Some(ended) = piece.ended {
                return Ok(ended);
            }
        }
        Err(Failure::ended(&client.greeted().host).into())
    }
}

/// What a program does until it has ended, for no longer than was said.
async fn in_time<T>(
    desk: &Desk,
    host: &Host,
    what: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let patience = desk.patience.unwrap_or(PATIENCE);
    timeout(patience, what).await.unwrap_or_else(|_| Err(Failure::not_ended(host, patience).into()))
}

/// Whoever says to end it while nobody reads what it prints does not wait for that reader: with this process the connections end,
/// and with them the commands.
fn end_though_nobody_reads() {
    thread::spawn(|| -> io::Result<()> {
        // The other runtime may be held up by that very reader.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            ctrl_c().await?;
            let _ = timeout(TIDY, ctrl_c()).await;
            process::exit(INTERRUPTED)
        })
    });
}

/// A terminal gets what is harmless, and everybody else the bytes as they are.
#[derive(Default)]
struct Terminals {
    output: Cut,
    errors: Cut,
}

/// The beginning of a character whose rest comes with the next piece.
#[derive(Default)]
struct Cut(Vec<u8>);

impl Terminals {
    fn pass_on(&mut self, piece: &Piece) -> io::Result<()> {
        match piece.to {
            Some(Output::Output) => self.output.write(io::stdout().lock(), &piece.bytes),
            Some(Output::Errors) => self.errors.write(io::stderr().lock(), &piece.bytes),
            None => Ok(()),
        }
    }
}

impl Cut {
    fn write(&mut self, mut out: impl Write + IsTerminal, bytes: &[u8]) -> io::Result<()> {
        match out.is_terminal() {
            true => out.write_all(self.text(bytes).as_bytes())?,
            false => out.write_all(bytes)?,
        }
        out.flush()
    }

    fn text(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let whole = match str::from_utf8(&self.0) {
            // Nothing is wrong but that it ends too soon.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.0.len(),
        };
        let rest = self.0.split_off(whole);
        harmless(&String::from_utf8_lossy(&std::mem::replace(&mut self.0, rest)))
    }
}

/// Says what the output does not, and returns the exit code.
fn tell(desk: &Desk, ended: &Ended) -> i32 {
    if ended.sent_bytes < ended.written_bytes {
        desk.remark(&format!(
            "controller: cut: {} of {} were sent, as much as its owner lets it say",
            bytes(ended.sent_bytes),
            bytes(ended.written_bytes)
        ));
    }
    match *ended {
        Ended { timed_out: true, took_seconds, .. } => desk.remark(&format!(
            "controller: it did not end in its time and was ended after {took_seconds:.1} s"
        )),
        Ended { code: None, signal: Some(signal), .. } => {
            desk.remark(&format!("controller: signal {signal} ended it"));
        }
        _ => {}
    }
    code_of_end(ended)
}

fn code_of_end(ended: &Ended) -> i32 {
    match *ended {
        Ended { timed_out: true, .. } => TIMED_OUT,
        Ended { code: Some(code), .. } => code,
        Ended { signal: Some(signal), .. } => BY_SIGNAL + signal,
        _ => FAILED,
    }
}

fn code_of(trouble: &Trouble) -> i32 {
    let Trouble::Host(failure) = trouble else { return FAILED };
    match failure.kind {
        Kind::Refusal(refusal::Kind::NotDeclared) => NOT_DECLARED,
        Kind::Refusal(refusal::Kind::CannotStart | refusal::Kind::Failed | refusal::Kind::ShuttingDown) => {
            FAILED
        }
        Kind::Refusal(_) => REFUSED,
        Kind::NotEnded => TIMED_OUT,
        _ => FAILED,
    }
}

impl Show for Told<'_> {
    const SCHEMA: &'static str = "rollcall.run/1";

    /// Only for one JSON object a line: people get the bytes.
    fn table(&self, _: &str) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_cut_between_two_pieces_is_shown_whole() {
        let mut cut = Cut::default();
        let bytes = "ä\u{1b}[31m€".as_bytes();
        let shown: String = bytes.chunks(1).map(|byte| cut.text(byte)).collect();
        assert_eq!(shown, "ä\u{fffd}[31m€");
        assert_eq!(cut.text(b"\xff\xe2\x82"), "\u{fffd}\u{fffd}");
    }
}
