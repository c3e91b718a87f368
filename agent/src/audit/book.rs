//! The file that is being written: opened where the last agent left it, put aside when it is large enough.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use certs::store;
use protocol::chain::Link;

use super::Recording;
use super::folder::{self, Line};

/// An open audit log. It belongs to this agent alone as long as it is open.
#[derive(Debug)]
pub(super) struct Book {
    folder: PathBuf,
    rotate_bytes: u64,
    keep: usize,
    file: File,
    /// How long the file is if nobody else has touched it.
    length: u64,
    /// The number of the file's first record.
    first: u64,
    last: Link,
    /// Locked as long as it is open.
    _lock: File,
}

/// What was found wrong when the log was opened, in a sentence.
pub(super) type Remark = Option<String>;

impl Book {
    /// Opens the log, after `known` where this agent has written to it before.
    ///
    /// # Errors
    /// Why it cannot be written, as a person reads it.
    pub(super) fn open(
        recording: &Recording,
        folder: &Path,
        known: Option<Link>,
    ) -> Result<(Book, Remark), String> {
        store::private_folder(folder).map_err(|error| error.to_string())?;
        let lock = lock(folder)?;
        let path = folder::current(folder);
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let file = File::options().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(format!("{}: this is not a file", path.display()));
        }
        let mut end = end_of(&path).map_err(failed)?;
        if end.torn > 0 {
            file.set_len(end.length).map_err(failed)?;
        }
        // A crash between two files leaves a new one that is empty: what it follows is in the one before.
        let older = folder::older(folder).map_err(failed)?.pop().filter(|_| end.is_empty());
        if let Some((_, older)) = older {
            end = End { torn: end.torn, length: end.length, first: None, ..end_of(&older).map_err(failed)? };
        }
        let (last, remark) = end.go_on_from(known);
        let book = Book {
            folder: folder.to_owned(),
            rotate_bytes: recording.rotate_bytes,
            keep: recording.keep,
            file,
            length: end.length,
            first: end.first.unwrap_or(last.n + 1),
            last,
            _lock: lock,
        };
        Ok((book, remark))
    }

    /// The newest record.
    pub(super) fn last(&self) -> Link {
        self.last
    }

    /// How much is to be written before a new file begins; at least a line.
    pub(super) fn room(&self) -> u64 {
        match self.rotate_bytes.saturating_sub(self.length) {
            0 => self.rotate_bytes,
            left => left,
        }
    }

    /// Appends whole lines, of which `last` is the last. Either all of them are in the file then, or none.
    ///
    /// # Errors
    /// Why it cannot be written; the book is of no more use then.
    pub(super) fn append(&mut self, lines: &[u8], last: Link) -> Result<(), String> {
        self.try_append(lines, last).map_err(|error| {
            let path = folder::current(&self.folder);
            format!("{}: {error}", path.display())
        })
    }

    fn try_append(&mut self, lines: &[u8], last: Link) -> io::Result<()> {
        self.check_untouched()?;
        if self.length >= self.rotate_bytes {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(lines) {
            // Half a line would look as if somebody had cut it.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.last = last;
        Ok(())
    }

    /// Has the disk keep what was written.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Whoever moves or cuts the file under a running agent must not make it write where nobody looks.
    fn check_untouched(&self) -> io::Result<()> {
        let (ours, there) = (self.file.metadata()?, fs::metadata(folder::current(&self.folder))?);
        if (ours.dev(), ours.ino(), ours.len()) == (there.dev(), there.ino(), self.length) {
            return Ok(());
        }
        Err(io::Error::other("somebody else has changed it"))
    }

    fn rotate(&mut self) -> io::Result<()> {
        let (current, aside) = (folder::current(&self.folder), folder::aside(&self.folder, self.first));
        if aside.exists() {
            return Err(io::Error::other(format!("{} is there already", aside.display())));
        }
        fs::rename(&current, &aside)?;
        self.file = File::options().append(true).create_new(true).mode(0o600).open(&current)?;
        (self.length, self.first) = (0, self.last.n + 1);
        let older = folder::older(&self.folder)?;
        for (_, path) in older.iter().take(older.len().saturating_sub(self.keep)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn lock(folder: &Path) -> Result<File, String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let lock = File::open(folder).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(format!("{}: another agent writes there", folder.display())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// How a file ends.
#[derive(Debug, Default)]
struct End {
    /// Of all its whole lines.
    length: u64,
    /// The number of its first good line.
    first: Option<u64>,
    /// Its last good line.
    last: Option<Link>,
    /// Lines after that one which are no records.
    damaged: u64,
    /// Bytes after the last whole line.
    torn: u64,
}

fn end_of(path: &Path) -> io::Result<End> {
    let mut file = BufReader::new(File::open(path)?);
    let mut end = End::default();
    while let Some(line) = folder::next_line(&mut file)? {
        let line = match line {
            Line::Whole(line) => line,
            Line::Torn(line) => {
                end.torn += line.len() as u64;
                continue;
            }
        };
        // What is longer than any record was torn out of nothing of ours.
        end.length += std::mem::take(&mut end.torn) + line.len() as u64 + 1;
        match Link::read(&line) {
            Some(link) => {
                end.first.get_or_insert(link.n);
                (end.last, end.damaged) = (Some(link), 0);
            }
            None => end.damaged += 1,
        }
    }
    Ok(end)
}

impl End {
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The record to go on from, and what is to be said about it. What this agent knows that it wrote wins over what is
    /// there: if that is less, the gap must show.
    fn go_on_from(&self, known: Option<Link>) -> (Link, Remark) {
        let found = self.last.unwrap_or(Link::START);
        match known {
            Some(known) if known != found || self.damaged > 0 => {
                let remark = "somebody else changed this log while the agent was running".to_owned();
                return (known, Some(remark));
            }
            _ => {}
        }
        if self.damaged > 0 {
            let skipped = Link { n: found.n.saturating_add(self.damaged), ..Link::START };
            let remark =
                format!("the chain begins anew: lines before this one that are no records: {}", self.damaged);
            return (skipped, Some(remark));
        }
        let torn = (self.torn > 0).then(|| {
            format!("the last line was cut short, as a crash does it; bytes removed: {}", self.torn)
        });
        (found, torn)
    }
}
