//! Prints what comes, apart from whoever asks: were the asking to wait for a reader such as `less`, every host would look slow.

use std::future::pending;
use std::io::{self, Write};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::error::Trouble;

/// What comes within this time is written together: waking somebody for each of thousands of answers a second takes more time than
/// their text does.
const TOGETHER: Duration = Duration::from_millis(10);

/// So much does not wait for more.
const ENOUGH: usize = 64 << 10;

/// A thread that writes to standard output.
pub(super) struct Printer {
    page: Arc<Page>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// What is to be written next.
#[derive(Default)]
struct Page {
    text: Mutex<Text>,
    /// There is something, or enough, or nothing comes any more.
    news: Condvar,
}

#[derive(Default)]
struct Text {
    text: String,
    is_last: bool,
}

impl Printer {
    pub(super) fn start() -> Printer {
        let page = Arc::new(Page::default());
        let written = Arc::clone(&page);
        let thread = thread::spawn(move || write(&written, io::stdout()));
        Printer { page, thread: Some(thread) }
    }

    /// Has it printed when it is its turn.
    pub(super) fn print(&mut self, text: &str) -> Result<(), Trouble> {
        // It ends by itself only where it cannot print.
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            return joined(self.thread.take());
        }
        self.page.add(text);
        Ok(())
    }

    /// Waits until all is printed. Who does not want to wait for that can still say so.
    pub(super) async fn end(mut self) -> Result<(), Trouble> {
        let thread = self.thread.take();
        drop(self);
        let done = spawn_blocking(|| joined(thread)).await;
        done.unwrap_or_else(|error| Err(Trouble::Stdout(error.into())))
    }
}

/// Nothing comes any more.
impl Drop for Printer {
    fn drop(&mut self) {
        self.page.end();
    }
}

/// Comes back when whoever reads what is printed has left. Of a file nobody is known to read it.
pub(super) async fn reader_left() {
    let (tell, told) = oneshot::channel();
    // Nothing but that ends this look, so it has a thread that nobody waits for.
    thread::spawn(move || {
        let stdout = io::stdout();
        let look = || poll(&mut [PollFd::new(&stdout, PollFlags::empty())], None);
        retry_on_intr(look).map(|_| tell.send(()))
    });
    if told.await.is_err() {
        pending().await
    }
}

fn joined(thread: Option<JoinHandle<io::Result<()>>>) -> Result<(), Trouble> {
    let written = thread.map_or(Ok(Ok(())), JoinHandle::join);
    written.unwrap_or_else(|_| Err(io::Error::other("the printing thread failed"))).map_err(Trouble::Stdout)
}

fn write(page: &Page, mut out: impl Write) -> io::Result<()> {
    loop {
        let Text { text, is_last } = page.next();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
        if is_last {
            return Ok(());
        }
    }
}

impl Page {
    fn add(&self, more: &str) {
        let text = &mut self.text().text;
        let before = text.len();
        text.push_str(more);
        if before == 0 || (before < ENOUGH && text.len() >= ENOUGH) {
            self.news.notify_one();
        }
    }

    fn end(&self) {
        self.text().is_last = true;
        self.news.notify_one();
    }

    fn next(&self) -> Text {
        let is_nothing = |it: &mut Text| it.text.is_empty() && !it.is_last;
        let some = self.news.wait_while(self.text(), is_nothing).unwrap_or_else(PoisonError::into_inner);
        let is_little = |it: &mut Text| it.text.len() < ENOUGH && !it.is_last;
        let enough = self.news.wait_timeout_while(some, TOGETHER, is_little);
        let (mut enough, _) = enough.unwrap_or_else(PoisonError::into_inner);
        Text { text: take(&mut enough.text), ..*enough }
    }

    fn text(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Tells of each write.
    struct Told(Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_is_written_in_order_and_together_and_a_failure_is_the_end() {
        let page = Page::default();
        for text in ["one\n", "two\n", "three\n"] {
            page.add(text);
        }
        // It does not wait for the end to find out.
        assert!(write(&page, &mut [0_u8; 2][..]).is_err());
        for text in ["four\n", "five\n"] {
            page.add(text);
        }
        page.end();
        let (tell, told) = channel();
        write(&page, Told(tell)).unwrap();
        assert_eq!(told.iter().collect::<Vec<_>>(), ["four\nfive\n"]);
    }

    #[test]
    fn the_end_is_heard_when_nothing_is_left_to_print() {
        let page = Arc::new(Page::default());
        let (written, (tell, told)) = (Arc::clone(&page), channel());
        let writer = thread::spawn(move || write(&written, Told(tell)));
        page.add("six\n");
        assert_eq!(told.recv().unwrap(), "six\n");
        page.end();
        writer.join().unwrap().unwrap();
    }
}
