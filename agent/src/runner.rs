//! What was declared runs in another process, the runner: it is there before this one gives up the right to start anything, and
//! takes nothing from it but a declared name and values for its parameters.
//!
//! Each order brings a pair of sockets and the pipes that the program is to write to. This side reads those, so that the program
//! waits for whoever reads slowly; and when it closes the socket, all that came from the job is ended.

mod channel;
mod family;
mod pipe;
pub mod process;
mod program;
mod turns;

use std::future::pending;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use protocol::Refusal;
use protocol::requests::explain::{Plan, Sort};
use protocol::requests::run::{Ended, Output};
use serde::{Deserialize, Serialize};

use crate::audit::Started;
use crate::declared::Given;
use channel::Channel;
use pipe::Pipe;

/// What the runner is told to do. The socket that goes with it is for what it says to that.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Order {
    /// With the pipes for its standard output and, where somebody wants to know it, its standard error.
    Start {
        sort: Sort,
        name: String,
        given: Given,
    },
    Explain {
        sort: Sort,
        name: String,
        given: Given,
    },
    ReadAgain,
}

/// What the runner says.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// With what could not be started.
    Ready(Vec<String>),
    Refused(Refusal),
    Plan(Plan),
    /// Others are before it. What was ordered and hears nothing of the kind has been started.
    Waits,
    /// What has waited.
    Started,
    Ended(Ended),
    ReadAgain(Result<Vec<String>, Vec<String>>),
}

/// The runner's process, before there is a runtime to speak with it.
#[derive(Debug)]
pub struct Spawned {
    control: OwnedFd,
}

/// The runner, as the process sees it that speaks with peers.
#[derive(Debug)]
pub struct Runner {
    /// The runner ends by itself when this is closed.
    control: Channel,
}

/// A program that runs. Dropped, it is ended with all that came from it.
#[derive(Debug)]
pub(crate) struct Job {
    channel: Channel,
    output: Pipe,
    errors: Option<Pipe>,
    /// So much of what it writes is handed on; the rest is counted, and it does not wait for that.
    limit: u64,
    written: u64,
    sent: u64,
    waits: bool,
    ended: Option<Ended>,
    started: Started,
}

/// Whoever leaves it may not have heard yet whether it was started.
impl Drop for Job {
    fn drop(&mut self) {
        while self.ended.is_none()
            && let Ok(Some(word)) = self.channel.receive_now()
        {
            let _ = self.take(word);
        }
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) enum Step {
    Wrote(Output, Bytes),
    Ended(Ended),
}

/// Starts the runner. This must be done while this process may still start something. It is told in which folders this one may
/// write, and starts nothing that lies there.
///
/// # Errors
/// The system did not let it.
pub fn spawn(config: Option<&Path>, writable: &[PathBuf]) -> io::Result<Spawned> {
    let (control, theirs) = channel::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("agent").arg("runner").env_clear().stdin(Stdio::from(theirs)).stdout(Stdio::null());
    if let Some(config) = config {
        command.arg("--config").arg(std::path::absolute(config)?);
    }
    for folder in writable {
        command.arg("--writable").arg(std::path::absolute(folder)?);
    }
    command.spawn()?;
    Ok(Spawned { control })
}

impl Runner {
    /// Waits until it has read what is declared, and hears what of it could not be started.
    ///
    /// # Errors
    /// It ended; it has said why.
    pub async fn meet(spawned: Spawned) -> io::Result<(Runner, Vec<String>)> {
        let control = Channel::new(spawned.control)?;
        match control.receive::<Word>().await? {
            Some(Word::Ready(unready)) => Ok((Runner { control }, unready)),
            _ => Err(io::Error::other("it did not begin")),
        }
    }

    /// Comes back when the runner is no more.
    pub async fn gone(&self) {
        self.control.closed().await;
    }

    /// Has it read the declarations again, and hears what of them could not be started.
    pub(crate) async fn read_again(&self) -> Result<Vec<String>, Vec<String>> {
        match self.order(&Order::ReadAgain, &[]).await {
            Ok(channel) => match channel.receive::<Word>().await {
                Ok(Some(Word::ReadAgain(done))) => done,
                _ => Err(vec!["the runner did not answer".to_owned()]),
            },
            Err(error) => Err(vec![format!("the runner cannot be reached: {error}")]),
        }
    }

    pub(crate) async fn explain(&self, sort: Sort, name: String, given: Given) -> Result<Plan, Refusal> {
        let channel =
            self.order(&Order::Explain { sort, name, given }, &[]).await.map_err(|error| lost(&error))?;
        match heard(channel.receive().await)? {
            Word::Plan(plan) => Ok(plan),
            other => Err(unexpected(other)),
        }
    }

    /// Starts it when it is its turn. It counts as started until it is heard that it was not.
    pub(crate) async fn start(
        &self,
        (sort, name, given): (Sort, String, Given),
        limit: u64,
        started: Started,
    ) -> Result<Job, Refusal> {
        let pipe = || Pipe::new().map_err(|error| lost(&error));
        let output = pipe()?;
        // By the convention a check speaks on its standard output alone.
        let errors = if sort == Sort::Command { Some(pipe()?) } else { None };
        let writers: Vec<_> = std::iter::once(&output).chain(&errors).map(Pipe::writer).collect();
        let ordered = self.order(&Order::Start { sort, name, given }, &writers).await;
        let channel = ordered.map_err(|error| lost(&error))?;
        started.note(true);
        Ok(Job { channel, output, errors, limit, written: 0, sent: 0, waits: false, ended: None, started })
    }

    async fn order(&self, order: &Order, with: &[BorrowedFd<'_>]) -> io::Result<Channel> {
        let (ours, theirs) = channel::pair()?;
        let ours = Channel::new(ours)?;
        self.control.send(order, &[&[theirs.as_fd()], with].concat()).await?;
        Ok(ours)
    }
}

impl Job {
    /// Whether it waits for its turn, as far as that was heard.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// What it does next; the last is that it ended. Nothing, when that is to wait for its turn or to begin.
    pub(crate) async fn next(&mut self) -> Result<Option<Step>, Refusal> {
        loop {
            let (to, bytes) = match self.ended {
                Some(ended) => match self.rest() {
                    Some(rest) => rest,
                    None => return Ok(Some(Step::Ended(self.account(ended)))),
                },
                None => tokio::select! {
                    bytes = self.output.next() => (Output::Output, bytes.map_err(|error| lost(&error))?),
                    bytes = next(self.errors.as_ref()) => (Output::Errors, bytes.map_err(|error| lost(&error))?),
                    word = self.channel.receive() => {
                        self.take(heard(word)?)?;
                        if self.ended.is_some() { continue } else { return Ok(None) }
                    }
                },
            };
            let bytes = self.within_limit(&bytes);
            if !bytes.is_empty() {
                return Ok(Some(Step::Wrote(to, bytes)));
            }
        }
    }

    /// What it had written before it ended, and nobody has read yet.
    fn rest(&mut self) -> Option<(Output, Bytes)> {
        let output = self.output.rest().map(|bytes| (Output::Output, bytes));
        output.or_else(|| Some((Output::Errors, self.errors.as_mut()?.rest()?)))
    }

    fn take(&mut self, word: Word) -> Result<(), Refusal> {
        match word {
            Word::Waits | Word::Started => {
                self.waits = matches!(word, Word::Waits);
                tracing::debug!(waits = self.waits, "the runner says whose turn it is");
                self.started.note(!self.waits);
            }
            Word::Ended(ended) => self.ended = Some(ended),
            Word::Refused(refusal) => {
                self.started.note(false);
                return Err(refusal);
            }
            other => return Err(unexpected(other)),
        }
        Ok(())
    }

    fn account(&self, ended: Ended) -> Ended {
        Ended { written_bytes: self.written, sent_bytes: self.sent, ..ended }
    }

    fn within_limit(&mut self, bytes: &Bytes) -> Bytes {
        self.written += bytes.len() as u64;
        let room = usize::try_from(self.limit - self.sent).unwrap_or(usize::MAX);
        let bytes = bytes.slice(..bytes.len().min(room));
        self.sent += bytes.len() as u64;
        bytes
    }
}

/// What is written to a pipe next, where there is one.
async fn next(pipe: Option<&Pipe>) -> io::Result<Bytes> {
    match pipe {
        Some(pipe) => pipe.next().await,
        None => pending().await,
    }
}

fn heard(word: io::Result<Option<Word>>) -> Result<Word, Refusal> {
    let end = || lost(&io::Error::from(io::ErrorKind::UnexpectedEof));
    word.map_err(|error| lost(&error))?.ok_or_else(end)
}

fn unexpected(word: Word) -> Refusal {
    match word {
        Word::Refused(refusal) => refusal,
        _ => lost(&io::Error::from(io::ErrorKind::InvalidData)),
    }
}

fn lost(error: &io::Error) -> Refusal {
    Refusal::failed("the agent's runner, which starts what is declared, cannot be spoken with", error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::io::dup;

    use super::*;
    use pipe::{HOLDS, PIECE};

    /// A job whose program has ended, and the writing end of its output.
    fn ended() -> (Job, io::PipeWriter) {
        let (channel, _) = channel::pair().unwrap();
        let output = Pipe::new().unwrap();
        let writer = dup(output.writer()).unwrap().into();
        let job = Job {
            channel: Channel::new(channel).unwrap(),
            output,
            errors: None,
            limit: u64::MAX,
            written: 0,
            sent: 0,
            waits: false,
            ended: Some(Ended::default()),
            started: Started::default(),
        };
        (job, writer)
    }

    /// How much a job hands on.
    async fn all_of(mut job: Job) -> u64 {
        loop {
            if let Some(Step::Ended(ended)) = job.next().await.unwrap() {
                return ended.sent_bytes;
            }
        }
    }

    #[tokio::test]
    async fn what_was_written_before_the_end_is_handed_on() {
        let (job, mut writer) = ended();
        writer.write_all(&[0; 2 * PIECE]).unwrap();
        assert_eq!(all_of(job).await, 2 * PIECE as u64);
    }

    #[tokio::test]
    async fn who_writes_on_after_the_end_is_not_waited_for() {
        let (job, mut writer) = ended();
        let flood = std::thread::spawn(move || while writer.write_all(&[0; PIECE]).is_ok() {});
        assert!(all_of(job).await < HOLDS as u64 + PIECE as u64);
        flood.join().unwrap();
        let (job, _silent) = ended();
        assert_eq!(all_of(job).await, 0);
    }
}
