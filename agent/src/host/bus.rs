//! The line to the machine's bus, over which systemd can be asked. It is opened before the sandbox, which forbids to open another
//! one; whatever is asked goes over this one, one after the other. It knows nothing of what is asked.

mod conversation;
mod message;

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Uid, geteuid, getuid};
use rustix::thread::set_thread_res_uid;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use conversation::{Conversation, greeting};

pub(super) use conversation::Said;
pub(super) use message::{Call, Value};

const PATH: &str = "/run/dbus/system_bus_socket";
/// For all that one request asks, waiting for its turn included.
const LIMIT: Duration = Duration::from_secs(2);
/// Who may ask everything, and change nothing.
const NOBODY: u32 = 65534;

/// Why nothing was learned over the bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    /// There was none when the agent started.
    #[error("this agent has no line to the machine's bus: {0}")]
    NoBus(String),
    /// It has gone.
    #[error("the line to the machine's bus was lost: {0}")]
    Lost(String),
    /// It may answer another time.
    #[error("the machine's bus did not answer within {} s", .0.as_secs_f64())]
    TooSlow(Duration),
}

/// A line on which all is said that comes before questions, or why there is none.
#[derive(Debug)]
pub struct Dialled(Result<StdStream, String>);

impl Dialled {
    /// Opens it, and waits for nobody: whether the bus takes it is heard when something is asked.
    #[must_use]
    pub fn now() -> Dialled {
        Dialled(dial(Path::new(PATH)).map_err(|error| format!("{PATH}: {error}")))
    }
}

/// The agent's one line.
pub(super) struct Bus {
    line: Mutex<Result<Conversation, Silence>>,
    limit: Duration,
}

impl Bus {
    /// For the runtime in which this is called.
    pub(super) fn over(dialled: Dialled) -> Bus {
        let line =
            dialled.0.and_then(|stream| UnixStream::from_std(stream).map_err(|error| error.to_string()));
        Bus { line: Mutex::new(line.map(Conversation::over).map_err(Silence::NoBus)), limit: LIMIT }
    }

    /// Where the program that holds the agent has opened none.
    pub(super) fn none() -> Bus {
        Bus::over(Dialled(Err("it is a part of another program".to_owned())))
    }

    /// Asks one list of calls after the other: the bus answers each list before it hears the next.
    pub(super) async fn ask<'a>(
        &self,
        questions: impl Iterator<Item = Vec<Call<'a>>>,
    ) -> Result<Vec<Vec<Said>>, Silence> {
        let asked = async {
            let mut line = self.line.lock().await;
            let conversation = line.as_mut().map_err(|silence| silence.clone())?;
            let mut answers = Vec::new();
            for calls in questions {
                match conversation.ask(&calls).await {
                    Ok(said) => answers.push(said),
                    Err(error) => {
                        let silence = lost(&error);
                        *line = Err(silence.clone());
                        return Err(silence);
                    }
                }
            }
            Ok(answers)
        };
        timeout(self.limit, asked).await.unwrap_or(Err(Silence::TooSlow(self.limit)))
    }
}

fn lost(error: &io::Error) -> Silence {
    let silence = Silence::Lost(error.to_string());
    tracing::warn!("{silence}; until this agent starts again, nobody is told of services");
    silence
}

fn dial(path: &Path) -> io::Result<StdStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    let user = powerless(|| Ok(connect(&socket, &address)?))?;
    let greeting = greeting(user);
    // A line on which nothing was said yet has room for so little.
    match rustix::io::write(&socket, &greeting)? {
        written if written == greeting.len() => Ok(socket.into()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Does it as this user, or where that is root as nobody: the other end remembers who began, and has systemd start anything for
/// root. Whoever takes the agent over must not find such a line.
fn powerless(begin: impl FnOnce() -> io::Result<()>) -> io::Result<u32> {
    let (real, own) = (getuid(), geteuid());
    if !own.is_root() {
        return begin().map(|()| own.as_raw());
    }
    set_thread_res_uid(real, Uid::from_raw(NOBODY), own)?;
    let begun = begin();
    set_thread_res_uid(real, own, own)?;
    begun.map(|()| NOBODY)
}

#[cfg(test)]
mod tests;
