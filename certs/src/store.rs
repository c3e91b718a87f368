//! Files that others must not read: their modes, and how they get written. What stands in them is in the rooms
//! below.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::Error;

mod keys;
mod lists;
mod parts;

pub use keys::Handed;
pub(crate) use lists::{read_lists, write_lists};

/// No key, certificate or bundle comes near this.
const MAX_BYTES: u64 = 256 * 1024;

/// What to do when the file is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// Writes a file that only its owner can read, whole or not at all: after a crash there is the old file or the new one.
///
/// # Errors
/// The system refused a step, or the file exists and is to be kept.
pub fn write_secret(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), Error> {
    let folder = folder_of(path);
    fs::metadata(folder).map_err(Error::io(folder, "find the folder"))?;
    let mut file = NamedTempFile::new_in(folder).map_err(Error::io(folder, "create a file"))?;
    file.write_all(bytes).map_err(Error::io(path, "write"))?;
    file.as_file().sync_all().map_err(Error::io(path, "write to the disk"))?;
    let persisted = match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    };
    persisted.map_err(|error| Error::io(path, "put in place")(error.error))?;
    sync_folder(folder)
}

/// Keeps other programs from changing a file, until what is returned is dropped. The lock is a file beside it, for the file
/// itself gets replaced.
pub(crate) fn lock_beside(path: &Path) -> Result<File, Error> {
    let beside = path.with_extension("lock");
    let mut options = File::options();
    let locked = options.create(true).truncate(false).write(true).mode(0o600).open(&beside);
    let locked = locked.and_then(|file| file.lock().map(|()| file));
    locked.map_err(Error::io(&beside, "lock"))
}

/// Reads a file that holds a secret.
///
/// # Errors
/// It cannot be read, others than its owner could, or it is not text of a sane size.
pub fn read_secret(path: &Path) -> Result<String, Error> {
    read_text(path, &open_private(path, File::options().read(true))?)
}

fn read_text(path: &Path, file: &File) -> Result<String, Error> {
    if file.metadata().map_err(Error::io(path, "look at"))?.len() > MAX_BYTES {
        return Err(Error::file(path, "this is far larger than any key, certificate or request"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(Error::io(path, "read"))?;
    String::from_utf8(bytes).map_err(|_| Error::file(path, "this is not text; PEM is expected, not DER"))
}

/// Reads a file that [`append_line`] wrote; one that is not there yet is empty.
///
/// # Errors
/// It cannot be read, or others than its owner could read it.
pub fn read_list(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match open_private(path, File::options().read(true)) {
        Ok(mut file) => file.read_to_end(&mut bytes).map_err(Error::io(path, "read"))?,
        Err(error) if error.is_not_found() => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}

/// Adds a line to a file that only its owner can read, and comes back when it is on the disk. After a crash there may be
/// half a line without its end.
///
/// # Errors
/// The system refused a step; then the file is as it was.
pub fn append_line(path: &Path, line: &str) -> Result<(), Error> {
    let file = open_private(path, File::options().append(true).create(true).mode(0o600))?;
    let before = file.metadata().map_err(Error::io(path, "look at"))?.len();
    let written = (&file).write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // The next line must not continue half of this one.
        file.set_len(before).map_err(Error::io(path, "take back half a line in"))?;
        return Err(Error::io(path, "write to")(error));
    }
    if before == 0 { sync_folder(folder_of(path)) } else { Ok(()) }
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    // A pipe in the place of the file must not hold anybody up.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = options.custom_flags(nonblocking).open(path).map_err(Error::io(path, "open"))?;
    if !file.metadata().map_err(Error::io(path, "look at"))?.is_file() {
        return Err(Error::file(path, "this is not a file"));
    }
    Ok(file)
}

fn open_private(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    let file = open(path, options)?;
    let metadata = file.metadata().map_err(Error::io(path, "look at"))?;
    check_owner(path, &metadata)?;
    if metadata.mode() & open_to_others(&metadata) != 0 {
        return Err(Error::file(path, mend("other users can read this secret", "600", path)));
    }
    Ok(file)
}

/// What root gives to somebody else, as a service manager does with credentials, it gives by the group's right to read: that is
/// also how an entry of an access list shows.
fn open_to_others(metadata: &fs::Metadata) -> u32 {
    if metadata.uid() == 0 && !rustix::process::geteuid().is_root() { 0o037 } else { 0o077 }
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|opened| opened.sync_all());
    synced.map_err(Error::io(folder, "write to the disk"))
}

/// Makes a folder that only its owner can enter, or checks that it is one.
///
/// # Errors
/// It cannot be made, or others than its owner could write into it.
pub fn private_folder(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(Error::io(path, "create the folder"))?;
    check_folder(path)
}

/// Checks that only its owner can write into a folder.
///
/// # Errors
/// Others can, or it cannot be looked at.
pub fn check_folder(path: &Path) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(Error::io(path, "look at"))?;
    if !metadata.is_dir() {
        return Err(Error::file(path, "this is not a folder"));
    }
    check_owner(path, &metadata)?;
    if metadata.mode() & 0o022 != 0 {
        return Err(Error::file(path, mend("other users can change files in this folder", "700", path)));
    }
    Ok(())
}

fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() == me || metadata.uid() == 0 {
        return Ok(());
    }
    let owner = metadata.uid();
    let how = match me {
        // To root it would be given in an instant, and taken away from whoever needs it.
        0 => format!("run it as that user: setpriv --reuid {owner} --clear-groups"),
        _ => format!("run it as that user, or mend it with: chown {me} {}", path.display()),
    };
    Err(Error::file(path, format!("this belongs to user {owner}, and the program runs as user {me}; {how}")))
}

fn mend(fault: &str, mode: &str, path: &Path) -> String {
    format!("{fault}; mend it with: chmod {mode} {}", path.display())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
