//! Where a path leads that must not leave its folder: taken part by part, each opened in the folder that the one before was found
//! to be. So nobody who moves things about meanwhile can lead it out, as with the kernel's own `openat2` and its
//! `RESOLVE_BENEATH`, which systemd's `RestrictSUIDSGID=` takes away from a service.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, open, openat, readlinkat};
use rustix::io::Errno;

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

const NAME_ONLY: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What there is beneath a folder under this path, links followed: its name, which holds no link.
///
/// # Errors
/// It leads out, or is not there.
pub(super) fn beneath(folder: &Path, given: &Path) -> Result<String, String> {
    let root = open_folder(folder)?;
    let unnamed = || "its path is no text".to_owned();
    let whole = name_of(&root).ok_or_else(unnamed)?;
    let leads_out = || format!("it leads out of {}", folder.display());
    let found = walk(root, given).map_err(|error| match error {
        Errno::XDEV | Errno::LOOP => leads_out(),
        Errno::NOENT | Errno::NOTDIR => format!("there is nothing of this name beneath {}", folder.display()),
        error => format!("it cannot be opened beneath {}: {error}", folder.display()),
    })?;
    let name = name_of(&found).ok_or_else(unnamed)?;
    // Somebody may have moved it meanwhile.
    if Path::new(&name).starts_with(whole) { Ok(name) } else { Err(leads_out()) }
}

/// The folder itself.
///
/// # Errors
/// It is not there, or no folder.
pub(super) fn open_folder(folder: &Path) -> Result<OwnedFd, String> {
    open(folder, NAME_ONLY | OFlags::DIRECTORY, Mode::empty())
        .map_err(|error| format!("{} cannot be opened: {error}", folder.display()))
}

/// `..` goes back to the folder through which it came, and never past the first.
fn walk(root: OwnedFd, given: &Path) -> Result<OwnedFd, Errno> {
    let (mut way, mut links) = (vec![root], 0);
    let mut rest = reversed(given)?;
    while let Some(part) = rest.pop() {
        if part == ".." {
            way.pop();
            continue;
        }
        let here = way.last().ok_or(Errno::XDEV)?;
        let next = openat(here, &part, NAME_ONLY | OFlags::NOFOLLOW, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&next)?.st_mode) != FileType::Symlink {
            way.push(next);
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP);
        }
        let target = readlinkat(&next, "", Vec::new())?;
        rest.extend(reversed(Path::new(&OsString::from_vec(target.into_bytes())))?);
    }
    way.pop().ok_or(Errno::XDEV)
}

/// The parts of a path, the last one first. One that begins at the top leads out.
fn reversed(path: &Path) -> Result<Vec<OsString>, Errno> {
    let part = |part: Component<'_>| match part {
        Component::CurDir => None,
        Component::Normal(name) => Some(Ok(name.to_owned())),
        Component::ParentDir => Some(Ok(OsString::from(".."))),
        Component::RootDir | Component::Prefix(_) => Some(Err(Errno::XDEV)),
    };
    path.components().rev().filter_map(part).collect()
}

/// Under which name the kernel knows an open file.
fn name_of(file: &OwnedFd) -> Option<String> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    readlinkat(CWD, link, Vec::new()).ok()?.into_string().ok()
}
