//! What was declared runs in another process, the runner: it is there before this one gives up the right to start anything, and
//! takes nothing from it but a declared name and values for its parameters.
//!
//! Each job has a pair of sockets of its own. Over it this side is given what the program writes to, so that the program waits
//! for whoever reads slowly; and when this side closes it, all that came from the job is ended.

mod channel;
mod family;
pub mod process;
mod program;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::Refusal;
use protocol::requests::explain::{Declared, Plan};
use protocol::requests::run::Output;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use crate::declared::Given;
use channel::Channel;

/// So much of what a program writes is taken at once.
const PIECE: usize = 32 << 10;

/// For the last bytes, when all that could write more has ended: a descriptor may have gone elsewhere.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// What the runner is told to do. The socket that goes with it is for what it says to that.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Order {
    Start { sort: Declared, name: String, given: Given },
    Explain { sort: Declared, name: String, given: Given },
    ReadAgain,
}

/// What the runner says.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Ready,
    Refused(Refusal),
    Plan(Plan),
    /// With two descriptors: what the program writes to its standard output, and to its standard error.
    Started,
    Ended(Ending),
    ReadAgain(Result<(), Vec<String>>),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) timed_out: bool,
    pub(crate) took: Duration,
}

/// The runner's process, before there is a runtime to speak with it.
#[derive(Debug)]
pub struct Spawned {
    control: OwnedFd,
    child: Child,
}

/// The runner, as the process sees it that speaks with peers.
#[derive(Debug)]
pub struct Runner {
    control: Channel,
    /// It ends by itself when the control is closed.
    _child: Child,
}

/// A program that runs. Dropped, it is ended with all that came from it.
#[derive(Debug)]
pub(crate) struct Job {
    channel: Channel,
    output: Option<Receiver>,
    errors: Option<Receiver>,
    ending: Option<Ending>,
}

/// What a program did.
#[derive(Debug)]
pub(crate) enum Step {
    Wrote(Output, Bytes),
    Ended(Ending),
}

/// Starts the runner. This must be done while this process may still start something.
///
/// # Errors
/// The system did not let it.
pub fn spawn(config: Option<&Path>) -> io::Result<Spawned> {
    let (control, theirs) = channel::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("agent").arg("runner").env_clear().stdin(Stdio::from(theirs)).stdout(Stdio::null());
    // Ctrl-C at a terminal is for the process that speaks with peers: it says what is to end.
    command.process_group(0);
    if let Some(config) = config {
        command.arg("--config").arg(std::path::absolute(config)?);
    }
    Ok(Spawned { control, child: command.spawn()? })
}

impl Runner {
    /// Waits until it has read what is declared.
    ///
    /// # Errors
    /// It ended; it has said why.
    pub async fn meet(spawned: Spawned) -> io::Result<Runner> {
        let control = Channel::new(spawned.control)?;
        match control.receive::<Word>().await? {
            Some((Word::Ready, _)) => Ok(Runner { control, _child: spawned.child }),
            _ => Err(io::Error::other("the runner, which starts what is declared, did not begin")),
        }
    }

    /// Comes back when the runner is no more.
    pub async fn gone(&self) {
        self.control.closed().await;
    }

    /// Has it read the declarations again.
    pub(crate) async fn read_again(&self) -> Result<(), Vec<String>> {
        match self.order(&Order::ReadAgain).await {
            Ok(channel) => match channel.receive::<Word>().await {
                Ok(Some((Word::ReadAgain(done), _))) => done,
                _ => Err(vec!["the runner did not answer".to_owned()]),
            },
            Err(error) => Err(vec![format!("the runner cannot be reached: {error}")]),
        }
    }

    pub(crate) async fn explain(&self, sort: Declared, name: String, given: Given) -> Result<Plan, Refusal> {
        let channel =
            self.order(&Order::Explain { sort, name, given }).await.map_err(|error| lost(&error))?;
        match hear(&channel).await? {
            (Word::Plan(plan), _) => Ok(plan),
            (other, _) => Err(unexpected(other)),
        }
    }

    pub(crate) async fn start(&self, sort: Declared, name: String, given: Given) -> Result<Job, Refusal> {
        let channel = self.order(&Order::Start { sort, name, given }).await.map_err(|error| lost(&error))?;
        let (word, with) = hear(&channel).await?;
        let mut pipes = with.into_iter();
        match (word, pipes.next(), pipes.next()) {
            (Word::Started, Some(output), Some(errors)) => {
                let pipe = |end| Receiver::from_owned_fd(end).map(Some).map_err(|error| lost(&error));
                Ok(Job { channel, output: pipe(output)?, errors: pipe(errors)?, ending: None })
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
            if self.output.is_none() && self.errors.is_none() {
                if let Some(ending) = self.ending {
                    return Ok(Step::Ended(ending));
                }
                self.hear_how_it_ended().await?;
                continue;
            }
            tokio::select! {
                bytes = some(&mut self.output) => if let Some(bytes) = bytes {
                    return Ok(Step::Wrote(Output::Output, bytes));
                },
                bytes = some(&mut self.errors) => if let Some(bytes) = bytes {
                    return Ok(Step::Wrote(Output::Errors, bytes));
                },
                word = self.channel.receive::<Word>(), if self.ending.is_none() => {
                    self.ending = Some(ending(word)?);
                }
                () = tokio::time::sleep(LAST_BYTES), if self.ending.is_some() => {
                    (self.output, self.errors) = (None, None);
                }
            }
        }
    }

    async fn hear_how_it_ended(&mut self) -> Result<(), Refusal> {
        self.ending = Some(ending(self.channel.receive::<Word>().await)?);
        Ok(())
    }
}

/// The next bytes of a pipe; at its end the pipe is given up.
async fn some(pipe: &mut Option<Receiver>) -> Option<Bytes> {
    let Some(open) = pipe else { return std::future::pending().await };
    let mut bytes = BytesMut::with_capacity(PIECE);
    match open.read_buf(&mut bytes).await {
        Ok(1..) => Some(bytes.freeze()),
        _ => {
            *pipe = None;
            None
        }
    }
}

fn ending(heard: io::Result<Option<(Word, Vec<OwnedFd>)>>) -> Result<Ending, Refusal> {
    match heard.map_err(|error| lost(&error))? {
        Some((Word::Ended(ending), _)) => Ok(ending),
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
