//! Whether anybody but root and the agent's own user could have written a file, or could put another in its place.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// For the members of a group, or for all.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// In such a folder nobody renames or removes what is somebody else's.
const STICKY: u32 = 0o1000;

/// Makes sure of the file, of every folder on the way to it, and of the same behind links.
///
/// # Errors
/// Who could change it.
pub(crate) fn nobody_else_can_change(path: &Path) -> Result<(), String> {
    let real = path.canonicalize().map_err(|error| format!("it cannot be looked at: {error}"))?;
    path.ancestors().chain(real.ancestors()).filter(|part| !part.as_os_str().is_empty()).try_for_each(look_at)
}

fn look_at(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let metadata =
        fs::symlink_metadata(path).map_err(|error| format!("{shown} cannot be looked at: {error}"))?;
    let own = rustix::process::geteuid().as_raw();
    if ![0, own].contains(&metadata.uid()) {
        return Err(format!(
            "{shown} belongs to user {}, who could change it; it must belong to root or to the agent's own user",
            metadata.uid()
        ));
    }
    let mode = metadata.mode();
    let is_guarded = metadata.is_dir() && mode & STICKY != 0;
    if !metadata.is_symlink() && mode & WRITABLE_BY_OTHERS != 0 && !is_guarded {
        return Err(format!("others can write {shown}; take that away: chmod go-w {shown}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn whoever_could_change_it_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        mode(&inner, 0o755);
        let program = inner.join("program");
        fs::write(&program, "").unwrap();
        mode(&program, 0o755);
        let link = folder.path().join("link");
        symlink(&program, &link).unwrap();
        for way in [&program, &link] {
            assert_eq!(nobody_else_can_change(way), Ok(()));
            for open in [&program, &inner] {
                for open_mode in [0o775, 0o757] {
                    mode(open, open_mode);
                    assert!(nobody_else_can_change(way).unwrap_err().contains("chmod go-w"), "{open_mode:o}");
                    mode(open, 0o755);
                }
            }
        }
        assert!(nobody_else_can_change(&folder.path().join("none")).is_err());
        if chown(&program, Some(1), None).is_ok() {
            assert!(nobody_else_can_change(&link).unwrap_err().contains("belongs to user 1"));
        }
    }
}
