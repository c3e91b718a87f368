//! The folder for what the agent keeps: which file is where, and what is in it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use certs::adoption::{Code, CodeKey};
use certs::store::{self, Existing};
use certs::{Credentials, Error, Revocations};
use jiff::Timestamp;
use rustix::process::geteuid;

/// An agent that was killed a moment ago may still be going.
const PREDECESSOR: Duration = Duration::from_secs(1);

/// Private to the user the agent runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    path: PathBuf,
}

/// The one-time code, as it is kept: good for proofs, and for nothing after its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptCode {
    pub(crate) key: CodeKey,
    pub(crate) until: Timestamp,
}

impl State {
    /// The folder that was named.
    pub fn new(path: &Path) -> State {
        State { path: path.to_owned() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who the agent is, once it belongs to somebody.
    pub fn identity_file(&self) -> PathBuf {
        self.path.join("identity.bundle")
    }

    /// What is known to be void, and where it is kept.
    fn revocations_file(&self) -> PathBuf {
        self.path.join("revoked.pem")
    }

    fn code_file(&self) -> PathBuf {
        self.path.join("adoption.code")
    }

    fn waiting_file(&self) -> PathBuf {
        self.path.join("adoption.address")
    }

    /// Makes the folder, or checks that it is this user's own: what somebody else wrote there, the agent could not read.
    ///
    /// # Errors
    /// It cannot be made, or belongs to somebody else.
    pub fn create(&self) -> Result<(), Error> {
        let me = geteuid().as_raw();
        match fs::metadata(&self.path) {
            Ok(found) if found.is_dir() && found.uid() != me => {
                let owner = found.uid();
                let how = match me {
                    0 => format!("run it as that user: setpriv --reuid {owner} --clear-groups"),
                    _ => "run it as that user, or with sudo".to_owned(),
                };
                let fault = format!(
                    "this folder belongs to user {owner}, as whom the agent runs, and this is user {me}; {how}"
                );
                Err(Error::File { path: self.path.clone(), fault })
            }
            _ => store::private_folder(&self.path),
        }
    }

    /// Keeps every other agent out of this folder, until what is returned is dropped; nothing where there is no folder.
    ///
    /// # Errors
    /// Another agent is in there.
    pub fn hold(&self) -> Result<Option<File>, Error> {
        let Ok(folder) = File::open(&self.path) else { return Ok(None) };
        let until = Instant::now() + PREDECESSOR;
        while let Err(TryLockError::WouldBlock) = folder.try_lock() {
            if Instant::now() > until {
                let fault =
                    "another agent runs with this folder; give this one another with --state".to_owned();
                return Err(Error::File { path: self.path.clone(), fault });
            }
            thread::sleep(PREDECESSOR / 50);
        }
        Ok(Some(folder))
    }

    /// Whether an agent runs with this folder.
    pub(crate) fn is_held(&self) -> bool {
        let held = File::open(&self.path).map(|folder| folder.try_lock_shared());
        matches!(held, Ok(Err(TryLockError::WouldBlock)))
    }

    /// The process that runs with this folder. The device is not compared: of some file systems the kernel tells two.
    pub(crate) fn holder(&self) -> Option<u32> {
        let node = fs::metadata(&self.path).ok()?.ino().to_string();
        let locks = fs::read_to_string("/proc/locks").ok().filter(|_| self.is_held())?;
        let holder = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_this = fields.get(1) == Some(&"FLOCK") && fields.get(5)?.rsplit(':').next()? == node;
            is_this.then(|| fields.get(4)?.parse().ok()).flatten()
        };
        locks.lines().find_map(holder)
    }

    /// The same credentials, with what was known to be void when the agent ended; what it learns from now on is kept.
    ///
    /// # Errors
    /// The list is damaged, or another authority's: who is revoked would be let in again.
    pub fn recall(&self, credentials: Credentials) -> Result<Credentials, Error> {
        let revocations = Revocations::kept_in(&self.revocations_file(), credentials.authorities())?;
        Ok(credentials.with_revocations(Arc::new(revocations)))
    }

    /// Remembers a code in place of any other.
    pub(crate) fn save_code(&self, code: &Code, until: Timestamp) -> Result<(), Error> {
        let text = format!("key = \"{}\"\nuntil = \"{until}\"\n", code.key().to_hex());
        store::write_secret(&self.code_file(), text.as_bytes(), Existing::Replace)
    }

    /// The code that was given out last.
    pub(crate) fn code(&self) -> Result<Option<KeptCode>, Error> {
        let path = self.code_file();
        let text = match store::read_secret(&path) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let read = || {
            let table: toml::Table = text.parse().ok()?;
            let key = CodeKey::from_hex(table.get("key")?.as_str()?)?;
            let until = table.get("until")?.as_str()?.parse().ok()?;
            Some(KeptCode { key, until })
        };
        read().map(Some).ok_or_else(|| Error::File {
            path,
            fault: "this holds no code; make a new one with `agent code`".to_owned(),
        })
    }

    /// A code works once.
    pub(crate) fn forget_code(&self) -> Result<(), Error> {
        self.remove(&self.code_file())
    }

    /// From now on the agent is somebody. Fails when it was before: of two adoptions, one wins.
    pub(crate) fn become_known(&self, credentials: &Credentials) -> Result<(), Error> {
        // What an owner before this one revoked is of no concern.
        self.remove(&self.revocations_file())?;
        credentials.save(&self.identity_file(), Existing::Keep)
    }

    /// Writes down where an agent waits for its adoption, for `agent code` to tell.
    ///
    /// # Errors
    /// The folder is no good.
    pub fn save_waiting(&self, addresses: &[SocketAddr]) -> Result<(), Error> {
        let lines: String = addresses.iter().map(|address| format!("{address}\n")).collect();
        store::write_secret(&self.waiting_file(), lines.as_bytes(), Existing::Replace)
    }

    /// Where an agent waits; empty when none does.
    pub(crate) fn waiting(&self) -> Vec<SocketAddr> {
        let text = store::read_secret(&self.waiting_file()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Nobody waits any more.
    pub(crate) fn forget_waiting(&self) -> Result<(), Error> {
        self.remove(&self.waiting_file())
    }

    /// Forgets whom the agent belongs to. The code goes first: nobody should be able to use an old one.
    pub(crate) fn forget_owner(&self) -> Result<(), Error> {
        self.forget_code()?;
        self.remove(&self.identity_file())?;
        self.remove(&self.revocations_file())
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        let removed = match fs::remove_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => removed.and_then(|()| File::open(&self.path)?.sync_all()),
        };
        removed.map_err(|source| self.io(path, "remove", source))
    }

    fn io(&self, path: &Path, doing: &'static str, source: std::io::Error) -> Error {
        Error::Io { path: path.to_owned(), doing, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_kept_and_forgotten_and_never_as_it_was_printed() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(&folder.path().join("state"));
        state.create().unwrap();
        assert_eq!(state.code().unwrap(), None);
        let (first, second) = (Code::random().unwrap(), Code::random().unwrap());
        let until = Timestamp::now();
        state.save_code(&first, until).unwrap();
        state.save_code(&second, until).unwrap();
        assert_eq!(state.code().unwrap(), Some(KeptCode { key: second.key(), until }));
        let text = fs::read_to_string(state.code_file()).unwrap();
        assert!(!text.contains(&second.to_string()), "{text}");
        state.forget_code().unwrap();
        state.forget_code().unwrap();
        assert_eq!(state.code().unwrap(), None);
    }

    #[test]
    fn a_damaged_code_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        for text in ["", "key = 5", "key = \"ab\"\nuntil = \"2026-01-01T00:00:00Z\"\n", "\0"] {
            store::write_secret(&state.code_file(), text.as_bytes(), Existing::Replace).unwrap();
            let said = state.code().unwrap_err().to_string();
            assert!(said.contains("adoption.code: ") && said.contains("agent code"), "{said}");
        }
    }
}
