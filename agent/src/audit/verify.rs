//! Checks the files of an audit log from the first record to the last, and names the first that is not in order.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use protocol::chain::{Flaw, Follower, Link, claimed_number};
use serde::Deserialize;

use super::folder::{self, Line};

/// A chain in which every record is as it was written.
#[derive(Debug)]
pub struct Whole {
    files: usize,
    first: (u64, Timestamp),
    last: (u64, Timestamp),
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((first, from), (last, to)) = (self.first, self.last);
        let count = last - first + 1;
        let files = if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        write!(f, "whole: records {first} to {last} ({count}) in {files}, from {from} to {to}")?;
        if first > 1 {
            write!(f, "\nrecords before {first} are not there: files past `audit.keep` are deleted")?;
        }
        Ok(())
    }
}

/// Why a log is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The first record that is not in order.
    #[error("{}:{line}: record {n}: {flaw}", .file.display())]
    Record {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// Its number.
        n: u64,
        /// What is wrong with it.
        flaw: String,
    },
    /// There is nothing to check.
    #[error("there are no records in {0}")]
    Empty(String),
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[derive(Deserialize)]
struct When {
    at: Timestamp,
}

/// Checks these files in their order; without any, those of the log in this state folder.
///
/// # Errors
/// The first record that is not in order, or there is none.
pub fn verify(state: &Path, files: &[PathBuf]) -> Result<Whole, Broken> {
    let folder = super::folder_in(state);
    let (files, due) = match files.is_empty() {
        true => open_all(&folder).map(|files| (files, folder::oldest(&folder)))?,
        false => (files.iter().map(open).collect::<Result<_, _>>()?, None),
    };
    let mut check = Check { files, due, at: 0, line: 0, follower: Follower::default() };
    let (mut first, mut last) = (None, None);
    while let Some((n, at)) = check.next()? {
        first.get_or_insert((n, at));
        last = Some((n, at));
    }
    match (first, last) {
        (Some(first), Some(last)) => Ok(Whole { files: check.files.len(), first, last }),
        _ => Err(Broken::Empty(folder.display().to_string())),
    }
}

type Opened = (PathBuf, BufReader<File>);

fn open(path: &PathBuf) -> Result<Opened, Broken> {
    let file = File::open(path).map_err(|source| Broken::Io { path: path.clone(), source })?;
    Ok((path.clone(), BufReader::new(file)))
}

/// A running agent may put a file aside meanwhile: what is opened must be what is listed afterwards.
fn open_all(folder: &Path) -> Result<Vec<Opened>, Broken> {
    let list = || folder::all(folder).map_err(|source| Broken::Io { path: folder.to_owned(), source });
    loop {
        let listed = list()?;
        let opened = listed.iter().map(open).collect::<Result<Vec<_>, _>>();
        if list()? == listed {
            return opened;
        }
    }
}

struct Check {
    files: Vec<Opened>,
    /// The number of the very first record, where that is known.
    due: Option<u64>,
    at: usize,
    line: u64,
    follower: Follower,
}

impl Check {
    /// The next record; `None` after the last.
    fn next(&mut self) -> Result<Option<(u64, Timestamp)>, Broken> {
        let Some(line) = self.next_line()? else { return Ok(None) };
        let line = match line {
            Line::Whole(line) => line,
            Line::Torn(line) => return Err(self.broken(None, cut_short(line.len()))),
        };
        let claimed = claimed_number(&line);
        let link = match self.follow(&line) {
            Ok(link) => link,
            Err(Flaw::Changed) => return Err(self.broken(None, Flaw::Changed.to_string())),
            Err(Flaw::Missing(range)) if self.comes_later(*range.start())? => {
                return Err(self.broken(claimed, Flaw::Moved(*range.start()).to_string()));
            }
            Err(flaw) => return Err(self.broken(claimed, flaw.to_string())),
        };
        match serde_json::from_slice::<When>(&line) {
            Ok(when) => Ok(Some((link.n, when.at))),
            Err(_) => Err(self.broken(Some(link.n), "it does not say when it was written".to_owned())),
        }
    }

    fn follow(&mut self, line: &[u8]) -> Result<Link, Flaw> {
        if let (None, Some(due), Some(link)) = (self.follower.last(), self.due, Link::read(line))
            && link.n > due
        {
            return Err(Flaw::Missing(due..=link.n - 1));
        }
        self.follower.follow(line)
    }

    fn next_line(&mut self) -> Result<Option<Line>, Broken> {
        while let Some((path, file)) = self.files.get_mut(self.at) {
            let next = folder::next_line(file).map_err(|source| Broken::Io { path: path.clone(), source })?;
            if let Some(line) = next {
                self.line += 1;
                return Ok(Some(line));
            }
            if self.at + 1 == self.files.len() {
                break;
            }
            (self.at, self.line) = (self.at + 1, 0);
        }
        Ok(None)
    }

    /// Whether a record that was due stands somewhere further on.
    fn comes_later(&mut self, n: u64) -> Result<bool, Broken> {
        let (at, line) = (self.at, self.line);
        let mut found = false;
        while let Some(next) = self.next_line()? {
            found |= matches!(next, Line::Whole(line) if claimed_number(&line) == Some(n));
        }
        (self.at, self.line) = (at, line);
        Ok(found)
    }

    /// Without a number that can be believed, the record is the one that was due.
    fn broken(&self, n: Option<u64>, flaw: String) -> Broken {
        let due = self.follower.last().map_or(self.due.unwrap_or(1), |last| last.n + 1);
        let file = self.files.get(self.at).map(|(path, _)| path.clone()).unwrap_or_default();
        Broken::Record { file, line: self.line, n: n.unwrap_or(due), flaw }
    }
}

fn cut_short(bytes: usize) -> String {
    format!(
        "it was cut short: {bytes} bytes without an end; after a crash or on a full disk that can be, and the agent \
         removes them when it starts and records that"
    )
}
