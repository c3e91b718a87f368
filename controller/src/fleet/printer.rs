//! Prints what comes, apart from whoever asks: were the asking to wait for a reader such as `less`, every host would look slow.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use tokio::task::spawn_blocking;

use crate::error::Trouble;

/// A thread that writes to standard output.
pub(super) struct Printer {
    to: Sender<String>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Printer {
    pub(super) fn start() -> Printer {
        let (to, from) = channel();
        let thread = thread::spawn(move || write(&from, io::stdout()));
        Printer { to, thread: Some(thread) }
    }

    /// Has it printed when it is its turn.
    pub(super) fn print(&mut self, text: String) -> Result<(), Trouble> {
        match self.to.send(text).is_ok() {
            true => Ok(()),
            // It ends by itself only where it cannot print.
            false => joined(self.thread.take()),
        }
    }

    /// Waits until all is printed. Who does not want to wait for that can still say so.
    pub(super) async fn end(self) -> Result<(), Trouble> {
        let Printer { to, thread } = self;
        drop(to);
        let done = spawn_blocking(|| joined(thread)).await;
        done.unwrap_or_else(|error| Err(Trouble::Stdout(error.into())))
    }
}

fn joined(thread: Option<JoinHandle<io::Result<()>>>) -> Result<(), Trouble> {
    let written = thread.map_or(Ok(Ok(())), JoinHandle::join);
    written.unwrap_or_else(|_| Err(io::Error::other("the printing thread failed"))).map_err(Trouble::Stdout)
}

/// What came while something was written is written together.
fn write(from: &Receiver<String>, mut out: impl Write) -> io::Result<()> {
    while let Ok(mut text) = from.recv() {
        text.extend(from.try_iter());
        out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_written_in_order_and_a_failure_is_the_end() {
        let (to, from) = channel();
        for text in ["one\n", "two\n", "three\n"] {
            to.send(text.to_owned()).unwrap();
        }
        assert!(write(&from, &mut [0_u8; 2][..]).is_err());
        for text in ["four\n", "five\n"] {
            to.send(text.to_owned()).unwrap();
        }
        drop(to);
        let mut out = Vec::new();
        write(&from, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "four\nfive\n");
    }
}
