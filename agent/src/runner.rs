//! What was declared runs in another process, the runner: it is there before this one gives up the right to start anything, and
//! takes nothing from it but a declared name and values for its parameters.
//!
//! Each job has a pair of sockets of its own. Over it this side is given what the program writes to, so that the program waits
//! for whoever reads slowly; and when this side closes it, all that came from the job is ended.

mod channel;
mod family;
pub mod process;
mod program;

use std::future::pending;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::Refusal;
use protocol::requests::explain::{Plan, Sort};
use protocol::requests::run::{Ended, Output};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep};

use crate::declared::Given;
use channel::Channel;

/// So much of what a program writes is taken at once.
const PIECE: usize = 32 << 10;

/// The most that two pipes can hold, where nobody has changed the system's own bound.
const PIPES_HOLD: usize = 2 << 20;

/// For the last bytes, when all that could write more has ended: a descriptor may have gone elsewhere.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// What the runner is told to do. The socket that goes with it is for what it says to that.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Order {
    Start { sort: Sort, name: String, given: Given },
    Explain { sort: Sort, name: String, given: Given },
    ReadAgain,
}

/// What the runner says.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// With what could not be started.
    Ready(Vec<String>),
    Refused(Refusal),
    Plan(Plan),
    /// With two descriptors: what the program writes to its standard output, and to its standard error.
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
    output: Option<Receiver>,
    errors: Option<Receiver>,
    /// So much of what it writes is handed on; the rest is counted, and it does not wait for that.
    limit: u64,
    written: u64,
    sent: u64,
    ended: Option<Ended>,
    /// For how long its pipes are still waited for when it has ended, and all that it started with it: who holds them then is
    /// somebody else.
    patience: Duration,
    /// What its pipes can have held then.
    rest: usize,
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
            Some((Word::Ready(unready), _)) => Ok((Runner { control }, unready)),
            _ => Err(io::Error::other("it did not begin")),
        }
    }

    /// Comes back when the runner is no more.
    pub async fn gone(&self) {
        self.control.closed().await;
    }

    /// Has it read the declarations again, and hears what of them could not be started.
    pub(crate) async fn read_again(&self) -> Result<Vec<String>, Vec<String>> {
        match self.order(&Order::ReadAgain).await {
            Ok(channel) => match channel.receive::<Word>().await {
                Ok(Some((Word::ReadAgain(done), _))) => done,
                _ => Err(vec!["the runner did not answer".to_owned()]),
            },
            Err(error) => Err(vec![format!("the runner cannot be reached: {error}")]),
        }
    }

    pub(crate) async fn explain(&self, sort: Sort, name: String, given: Given) -> Result<Plan, Refusal> {
        let channel =
            self.order(&Order::Explain { sort, name, given }).await.map_err(|error| lost(&error))?;
        match hear(&channel).await? {
            (Word::Plan(plan), _) => Ok(plan),
            (other, _) => Err(unexpected(other)),
        }
    }

    /// Starts it, when it is its turn; what it writes is handed on up to a limit.
    pub(crate) async fn start(
        &self,
        sort: Sort,
        name: String,
        given: Given,
        limit: u64,
    ) -> Result<Job, Refusal> {
        let channel = self.order(&Order::Start { sort, name, given }).await.map_err(|error| lost(&error))?;
        let (word, with) = hear(&channel).await?;
        let mut pipes = with.into_iter();
        match (word, pipes.next(), pipes.next()) {
            (Word::Started, Some(output), Some(errors)) => {
                let pipe = |end| Receiver::from_owned_fd(end).map(Some).map_err(|error| lost(&error));
                let (output, errors) = (pipe(output)?, pipe(errors)?);
                Ok(Job {
                    channel,
                    output,
                    errors,
                    limit,
                    written: 0,
                    sent: 0,
                    ended: None,
                    patience: LAST_BYTES,
                    rest: PIPES_HOLD,
                })
            }
            (other, ..) => Err(unexpected(other)),
        }
    }

    async fn order(&self, order: &Order) -> io::Result<Channel> {
        let (ours, theirs) = channel::pair()?;
        self.control.send(order, &[theirs.as_fd()]).await?;
        Channel::new(ours)
    }
}

impl Job {
    /// What it does next; the last is that it ended.
    pub(crate) async fn next(&mut self) -> Result<Step, Refusal> {
        loop {
            let is_silent = self.output.is_none() && self.errors.is_none();
            if let Some(ended) = self.ended.filter(|_| is_silent) {
                return Ok(Step::Ended(Ended {
                    written_bytes: self.written,
                    sent_bytes: self.sent,
                    ..ended
                }));
            }
            let waits = Instant::now();
            let (to, bytes) = tokio::select! {
                bytes = some(&mut self.output) => (Output::Output, bytes),
                bytes = some(&mut self.errors) => (Output::Errors, bytes),
                word = self.channel.receive::<Word>(), if self.ended.is_none() => {
                    self.ended = Some(ended(word)?);
                    continue;
                }
                () = sleep(self.patience), if self.ended.is_some() => {
                    (self.output, self.errors) = (None, None);
                    continue;
                }
            };
            if self.ended.is_some() {
                // Only waiting counts: whoever reads slowly gets all that is there.
                self.patience = self.patience.saturating_sub(waits.elapsed());
                self.rest = self.rest.saturating_sub(bytes.len());
                if self.rest == 0 {
                    (self.output, self.errors) = (None, None);
                }
            }
            let bytes = self.within_limit(&bytes);
            if !bytes.is_empty() {
                return Ok(Step::Wrote(to, bytes));
            }
        }
    }

    fn within_limit(&mut self, bytes: &Bytes) -> Bytes {
        self.written += bytes.len() as u64;
        let room = usize::try_from(self.limit - self.sent).unwrap_or(usize::MAX);
        let bytes = bytes.slice(..bytes.len().min(room));
        self.sent += bytes.len() as u64;
        bytes
    }
}

/// The next bytes of a pipe; at its end there are none, and the pipe is given up.
async fn some(pipe: &mut Option<Receiver>) -> Bytes {
    let Some(open) = pipe else { return pending().await };
    let mut bytes = BytesMut::with_capacity(PIECE);
    if !matches!(open.read_buf(&mut bytes).await, Ok(1..)) {
        *pipe = None;
    }
    bytes.freeze()
}

fn ended(heard: io::Result<Option<(Word, Vec<OwnedFd>)>>) -> Result<Ended, Refusal> {
    match heard.map_err(|error| lost(&error))? {
        Some((Word::Ended(ended), _)) => Ok(ended),
        Some((other, _)) => Err(unexpected(other)),
        None => Err(lost(&io::Error::from(io::ErrorKind::UnexpectedEof))),
    }
}

async fn hear(channel: &Channel) -> Result<(Word, Vec<OwnedFd>), Refusal> {
    match channel.receive().await.map_err(|error| lost(&error))? {
        Some(heard) => Ok(heard),
        None => Err(lost(&io::Error::from(io::ErrorKind::UnexpectedEof))),
    }
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

    use super::*;

    /// A job whose program has ended, and the writing end of its output.
    fn ended() -> (Job, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let output = Receiver::from_owned_fd(reader.into()).map(Some).unwrap();
        let (channel, _) = channel::pair().unwrap();
        let job = Job {
            channel: Channel::new(channel).unwrap(),
            output,
            errors: None,
            limit: u64::MAX,
            written: 0,
            sent: 0,
            ended: Some(Ended::default()),
            patience: LAST_BYTES,
            rest: PIPES_HOLD,
        };
        (job, writer)
    }

    /// How much a job hands on to somebody who takes his time between two pieces.
    async fn all_of(mut job: Job, between: Duration) -> u64 {
        loop {
            if let Step::Ended(ended) = job.next().await.unwrap() {
                return ended.sent_bytes;
            }
            let began = Instant::now();
            while began.elapsed() < between {
                std::thread::yield_now();
            }
        }
    }

    #[tokio::test]
    async fn who_reads_slowly_gets_the_last_bytes_too() {
        let (job, mut writer) = ended();
        writer.write_all(&[0; 2 * PIECE]).unwrap();
        drop(writer);
        assert_eq!(all_of(job, LAST_BYTES * 3 / 2).await, 2 * PIECE as u64);
    }

    #[tokio::test]
    async fn who_writes_on_after_the_end_is_not_waited_for() {
        let (job, mut writer) = ended();
        let flood = std::thread::spawn(move || while writer.write_all(&[0; PIECE]).is_ok() {});
        assert!(all_of(job, Duration::ZERO).await < PIPES_HOLD as u64 + PIECE as u64);
        flood.join().unwrap();
        let (job, _silent) = ended();
        assert_eq!(all_of(job, Duration::ZERO).await, 0);
    }
}
