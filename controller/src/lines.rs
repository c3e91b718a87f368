//! Lists that grow by a line, each a JSON value: what a crash cuts short is the last one at most.

use std::fmt;
use std::path::{Path, PathBuf};

use certs::store::{self, Existing};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Trouble;

/// What becomes of a last line that has no end.
#[derive(Clone, Copy)]
pub(crate) enum Unended {
    /// It counts where nothing but its end is missing.
    KeptIfWhole,
    /// It counts as never written.
    Dropped,
}

/// A line in the middle that cannot be read. No crash does that.
pub(crate) struct Damage {
    line: usize,
    fault: serde_json::Error,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The library counts lines within what it was given, which is always one.
        let fault = self.fault.to_string();
        let fault = fault.split(" at line ").next().unwrap_or_default();
        write!(f, "line {} is damaged: {fault}", self.line)
    }
}

/// What stands in such a file.
pub(crate) struct Lines<T> {
    pub(crate) values: Vec<T>,
    file: PathBuf,
    /// The file as it should be, when its last line has no end.
    whole: Option<Vec<u8>>,
}

impl<T: DeserializeOwned> Lines<T> {
    /// Changes nothing. A file that is not there yet is empty.
    pub(crate) fn read(
        file: &Path,
        unended: Unended,
        damaged: impl FnOnce(Damage) -> Trouble,
    ) -> Result<Lines<T>, Trouble> {
        let bytes = store::read_list(file)?;
        Lines::parse(file, &bytes, unended).map_err(damaged)
    }

    fn parse(file: &Path, bytes: &[u8], unended: Unended) -> Result<Lines<T>, Damage> {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (whole, rest) = bytes.split_at(end);
        let mut values = Vec::new();
        for (index, line) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let damage = |fault| Damage { line: index + 1, fault };
            values.push(serde_json::from_slice(line).map_err(damage)?);
        }
        let file = file.to_owned();
        if rest.is_empty() {
            return Ok(Lines { values, file, whole: None });
        }
        let last = match unended {
            Unended::KeptIfWhole => serde_json::from_slice(rest).ok(),
            Unended::Dropped => None,
        };
        let whole = if last.is_some() { [bytes, b"\n"].concat() } else { whole.to_vec() };
        values.extend(last);
        Ok(Lines { values, file, whole: Some(whole) })
    }

    /// Gives the last line an end, or takes it away, so that the next one begins where a line begins.
    pub(crate) fn mended(self) -> Result<Vec<T>, Trouble> {
        if let Some(whole) = self.whole {
            store::write_secret(&self.file, &whole, Existing::Replace)?;
        }
        Ok(self.values)
    }
}

/// Adds a line. It is on the disk when this returns.
pub(crate) fn append(file: &Path, value: &impl Serialize) -> Result<(), Trouble> {
    let line = serde_json::to_string(value)
        .map_err(|error| Trouble::Here(format!("{}: {error}", file.display()), String::new()))?;
    store::append_line(file, &line)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_last_line_without_its_end_is_kept_or_dropped_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("numbers.jsonl");
        let no_damage = |damage: Damage| panic!("{damage}");
        for (text, unended, values, mended) in [
            ("[1]\n[2]", Unended::KeptIfWhole, vec![[1], [2]], "[1]\n[2]\n"),
            ("[1]\n[2", Unended::KeptIfWhole, vec![[1]], "[1]\n"),
            ("[1]\n[2]", Unended::Dropped, vec![[1]], "[1]\n"),
            ("[1", Unended::Dropped, vec![], ""),
            ("[1]\n", Unended::Dropped, vec![[1]], "[1]\n"),
        ] {
            let _ = fs::remove_file(&file);
            store::write_secret(&file, text.as_bytes(), Existing::Keep).unwrap();
            let lines = Lines::<[u8; 1]>::read(&file, unended, no_damage).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text, "who only looks changes nothing");
            assert_eq!(lines.mended().unwrap(), values);
            assert_eq!(fs::read_to_string(&file).unwrap(), mended);
        }
    }
}
