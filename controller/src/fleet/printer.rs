//! Prints what comes, apart from whoever asks: were the asking to wait for a reader such as `less`, every host would look slow.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::error::Trouble;

/// A thread that writes to standard output.
pub(super) struct Printer {
    /// There is none any more where it is not to go on.
    to: Option<Sender<String>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Printer {
    pub(super) fn start() -> Printer {
        let (to, from) = channel();
        let thread = thread::spawn(move || write(&from, io::stdout()));
        Printer { to: Some(to), thread: Some(thread) }
    }

    /// Has it printed when it is its turn.
    pub(super) fn print(&mut self, text: String) -> Result<(), Trouble> {
        match self.to.as_ref().is_some_and(|to| to.send(text).is_ok()) {
            true => Ok(()),
            // It ends by itself only where it cannot print.
            false => self.end(),
        }
    }

    /// Waits until all is printed.
    pub(super) fn end(&mut self) -> Result<(), Trouble> {
        self.to = None;
        let written = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        written
            .unwrap_or_else(|_| Err(io::Error::other("the printing thread failed")))
            .map_err(Trouble::Stdout)
    }
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
