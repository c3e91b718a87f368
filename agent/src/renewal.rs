//! How an agent comes by a new certificate while it serves: it makes a key, and takes what the authority signs for it.
//!
//! The file that keeps the identity says who the agent is and whom it believes. It is read for each step: what its owner has
//! removed or changed meanwhile is not brought back.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use certs::store::Existing;
use certs::{Credentials, Error, Name, Pending, Signed};
use protocol::Refusal;
use rustix::fs::{Access, access};

const OLD_ONE_HOLDS: &str = "the old one is still in force; renew it again, or look at the agent's log";

/// The file, and the keys that wait for their certificates. Whoever reads the file to put it in force, or writes it, has
/// this for himself until that is done.
#[derive(Debug, Default)]
pub(crate) struct Renewal {
    file: Option<PathBuf>,
    /// One for each controller that asked: of one the newest counts, and nobody disturbs another.
    waiting: BTreeMap<Name, Pending>,
}

impl Renewal {
    /// From now on it is this file. Keys that wait go on waiting.
    pub(crate) fn keep_in(&mut self, file: &Path) {
        self.file = Some(file.to_owned());
    }

    /// Makes a key of the present one's kind, and returns what the authority is to sign. Whether the certificate could be
    /// kept is found out now, before anybody signs it.
    pub(crate) fn begin(&mut self, by: &Name) -> Result<Vec<u8>, Refusal> {
        let present = load(&self.writable_file()?)?;
        let pending = Pending::create(present.algorithm(), None).map_err(|error| refused(&error))?;
        let request = pending.request().der().to_vec();
        self.waiting.insert(by.clone(), pending);
        Ok(request)
    }

    /// Puts the key and its certificate together. Nothing is changed yet.
    pub(crate) fn complete(&mut self, by: &Name, certificates: &str) -> Result<Credentials, Refusal> {
        let pending = self.waiting.remove(by).ok_or_else(|| {
            let hint =
                "ask the agent to `renew` first: it makes a key, and a key is good for one certificate";
            Refusal::not_renewed(&format!("no key waits here for a certificate from {by}"), hint)
        })?;
        let present = load(&self.writable_file()?)?;
        Signed::read(certificates)
            .and_then(|signed| pending.renew(signed, &present))
            .map_err(|error| refused(&error))
    }

    /// Writes the new identity in place of the old one: a crash leaves one of them.
    pub(crate) fn save(&self, renewed: &Credentials) -> Result<(), Refusal> {
        renewed.save(&self.writable_file()?, Existing::Replace).map_err(|error| refused(&error))
    }

    /// Where a new identity would be written. Behind a link it is the file that counts.
    fn writable_file(&self) -> Result<PathBuf, Refusal> {
        let file = self.file.as_deref().ok_or_else(|| {
            Refusal::not_renewed(&"this agent keeps its identity in no file", "start it with --identity FILE")
        })?;
        let unusable = |error: std::io::Error| {
            let hint =
                "renew it where that file comes from; or let the user that the agent runs as write there";
            let why = format!("this agent cannot replace {}: {error}", file.display());
            Refusal::not_renewed(&why, hint)
        };
        let file = fs::canonicalize(file).map_err(unusable)?;
        let folder = file.parent().unwrap_or(&file);
        access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| unusable(error.into()))?;
        the_sandbox_lets_write(folder).map_err(unusable)?;
        Ok(file)
    }
}

/// Landlock tells only whoever tries. A file without a name is gone as soon as it is closed.
fn the_sandbox_lets_write(folder: &Path) -> io::Result<()> {
    let nameless = File::options().write(true).custom_flags(libc::O_TMPFILE).open(folder);
    match nameless {
        Err(refused) if refused.kind() == io::ErrorKind::PermissionDenied => Err(refused),
        // Not every file system has such files; then there is nothing to learn here.
        _ => Ok(()),
    }
}

fn load(file: &Path) -> Result<Credentials, Refusal> {
    Credentials::load(file).map_err(|error| refused(&error))
}

/// Nothing has changed.
pub(crate) fn refused(error: &Error) -> Refusal {
    Refusal::not_renewed(error, OLD_ONE_HOLDS)
}
