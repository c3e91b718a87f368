//! One controller changes a home at a time, and one the list that several homes share.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use super::Home;
use crate::error::Trouble;

/// Nobody else changes anything as long as this is held.
#[derive(Debug)]
pub struct Lock {
    _home: File,
    _elsewhere: Option<File>,
}

impl Home {
    /// Lets no other controller change anything in this home, until what is returned is dropped.
    ///
    /// # Errors
    /// There is no home.
    pub fn lock(&self) -> Result<Lock, Trouble> {
        let lock = |path: &Path| {
            let locked = File::open(path).and_then(|folder| {
                if let Err(TryLockError::WouldBlock) = folder.try_lock() {
                    let path = path.display();
                    let _ = writeln!(io::stderr(), "waiting for another controller that is changing {path}");
                }
                folder.lock().map(|()| folder)
            });
            locked.map_err(|source| {
                self.trouble(certs::Error::Io { path: path.to_owned(), doing: "lock", source })
            })
        };
        let home = lock(&self.path)?;
        // A list that is kept elsewhere may be that of several homes; what is kept here is locked already.
        let own = fs::canonicalize(&self.path).ok();
        let list = fs::canonicalize(self.hosts_file()).ok();
        let folder = list.as_deref().and_then(Path::parent).filter(|folder| own.as_deref() != Some(*folder));
        let elsewhere = folder.map(lock).transpose()?;
        Ok(Lock { _home: home, _elsewhere: elsewhere })
    }
}
