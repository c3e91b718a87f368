//! The folder of the audit log: which file is which, and reading records from them.
//!
//! `current.jsonl` is being written. What was put aside is called by the number of its first record.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use protocol::chain::claimed_number;

const CURRENT: &str = "current.jsonl";

/// No record comes near this: what is longer is something else.
const MAX_LINE: u64 = 64 * 1024;

/// What is sent at once; any frame has room for it.
const CHUNK: usize = 32 * 1024;

/// Where the newest records are.
pub(super) fn current(folder: &Path) -> PathBuf {
    folder.join(CURRENT)
}

/// Where records from this number on are put aside.
pub(super) fn aside(folder: &Path, first: u64) -> PathBuf {
    // So many digits that the order of the names is that of the numbers.
    folder.join(format!("{first:020}.jsonl"))
}

/// The files that were put aside, oldest first, with the number that each begins with.
pub(super) fn older(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jsonl"));
        if let Some(first) = name.and_then(|name| name.parse().ok()) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}

/// All files, oldest first.
pub(super) fn all(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = older(folder)?.into_iter().map(|(_, path)| path).collect();
    all.extend(Some(current(folder)).filter(|path| path.exists()));
    Ok(all)
}

/// The number of the oldest record there should be: the first file's name says it.
pub(super) fn oldest(folder: &Path) -> Option<u64> {
    let older = older(folder).ok()?;
    // One file at least is kept, so a log that was never put aside begins with the beginning.
    Some(older.first().map_or(1, |(first, _)| *first))
}

/// A line of a file.
pub(super) enum Line {
    /// A whole one, without its newline.
    Whole(Vec<u8>),
    /// The file ends in the middle of it, or it is longer than any record.
    Torn(Vec<u8>),
}

/// The next line of a file; `None` at its end.
pub(super) fn next_line(file: &mut BufReader<File>) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
    Ok(match line.pop() {
        None => None,
        Some(b'\n') => Some(Line::Whole(line)),
        Some(last) => {
            line.push(last);
            Some(Line::Torn(line))
        }
    })
}

/// Reads records in their order, as they stand in the files.
#[derive(Debug)]
pub(crate) struct Reading {
    folder: PathBuf,
    /// The number of the newest record there was.
    pub(crate) newest: u64,
    next: u64,
    file: Option<BufReader<File>>,
}

impl Reading {
    pub(super) fn new(folder: PathBuf, newest: u64) -> Reading {
        Reading { folder, newest, next: 1, file: None }
    }

    /// Begins with this record, or with the oldest there is, and says the number of that.
    pub(crate) fn begin(&mut self, since: u64) -> io::Result<u64> {
        let (older, current) = (older(&self.folder)?, current(&self.folder));
        let first_of_current = first_number(&current)?;
        let oldest = older.first().map_or(first_of_current, |(first, _)| *first);
        self.next = since.max(oldest);
        let holds_next = |(first, _): &&(u64, PathBuf)| *first <= self.next;
        let path = match older.iter().rev().find(holds_next) {
            Some((_, path)) if first_of_current > self.next => path,
            _ => &current,
        };
        self.file = Some(BufReader::new(File::open(path)?));
        Ok(oldest)
    }

    /// Some lines more, up to this record; none when there are no more.
    pub(crate) fn more(&mut self, until: u64) -> io::Result<Vec<u8>> {
        let (mut lines, mut is_fresh) = (Vec::new(), false);
        while let Some(file) = self.file.as_mut().filter(|_| self.next <= until && lines.len() < CHUNK) {
            let Some(Line::Whole(line)) = next_line(file)? else {
                // What follows is in another file, unless nothing follows.
                self.file = if is_fresh { None } else { Some(self.following()?) };
                is_fresh = true;
                continue;
            };
            let claimed = claimed_number(&line);
            if claimed.is_some_and(|n| n < self.next) {
                continue;
            }
            // A line whose number cannot be read was changed: whoever checks the chain should see it.
            self.next = claimed.map_or(self.next, |n| n.saturating_add(1));
            if claimed.is_none_or(|n| n <= until) {
                lines.extend_from_slice(&line);
                lines.push(b'\n');
                is_fresh = false;
            }
        }
        Ok(lines)
    }

    /// The file that goes on where another has ended. The current one may have been put aside meanwhile.
    fn following(&self) -> io::Result<BufReader<File>> {
        let older = older(&self.folder)?;
        let following = older.into_iter().find(|(first, _)| *first >= self.next);
        let path = following.map_or_else(|| current(&self.folder), |(_, path)| path);
        Ok(BufReader::new(File::open(path)?))
    }
}

/// The number of the first record in a file.
fn first_number(path: &Path) -> io::Result<u64> {
    let first = next_line(&mut BufReader::new(File::open(path)?))?;
    Ok(match first {
        Some(Line::Whole(line)) => claimed_number(&line).unwrap_or(1),
        // Nothing is in it yet.
        _ => u64::MAX,
    })
}
