//! Whether anybody but root and the agent's own user could have written a file, or could put another in its place.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// For the members of a group, or for all.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// In such a folder nobody renames or removes what is somebody else's.
const STICKY: u32 = 0o1000;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// The way to a file, walked once: every name that is looked up on it, from the root on and behind each link. What is not there
/// yet has the names that it would have.
pub(crate) struct Way {
    before: Vec<Name>,
    /// Where the file is.
    end: Name,
}

struct Name {
    path: PathBuf,
    found: io::Result<Metadata>,
}

/// Makes sure of the file, of every folder on the way to it, and of the same behind links.
///
/// # Errors
/// Who could change it.
pub(crate) fn nobody_else_can_change(path: &Path) -> Result<(), String> {
    Way::to(path)?.nobody_else_can_change()
}

/// Makes sure that nothing on the way to a file lies in a folder where the process that talks to the network may write. Its
/// owner does not tell: that process runs as the agent's own user.
///
/// # Errors
/// What lies there.
pub(crate) fn network_cannot_change(path: &Path, writable: &[PathBuf]) -> Result<(), String> {
    let places = writable.iter().map(|folder| place_of(folder)).collect::<Result<Vec<_>, _>>()?;
    Way::to(path)?.leads_past(&places)
}

/// Where a folder is, behind all links.
///
/// # Errors
/// They go round in circles.
pub(crate) fn place_of(folder: &Path) -> Result<PathBuf, String> {
    Ok(Way::to(folder)?.end.path)
}

impl Way {
    /// # Errors
    /// It goes round in circles.
    pub(crate) fn to(path: &Path) -> Result<Way, String> {
        let lost = |error: io::Error| format!("{} cannot be looked at: {error}", path.display());
        let mut ahead = std::path::absolute(path).map_err(lost)?;
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        let mut names = vec![Name::at(at.clone())];
        while let Some(part) = ahead.components().next() {
            let mut rest = ahead.components().skip(1).collect::<PathBuf>();
            match part {
                Component::RootDir => at = PathBuf::from("/"),
                Component::ParentDir => drop(at.pop()),
                Component::Normal(name) => {
                    let name = Name::at(at.join(name));
                    match name.is_link() {
                        true if links == MAX_LINKS => return Err(lost(rustix::io::Errno::LOOP.into())),
                        true => {
                            (links, rest) = (links + 1, fs::read_link(&name.path).map_err(lost)?.join(rest));
                        }
                        false => at.clone_from(&name.path),
                    }
                    names.push(name);
                }
                Component::CurDir | Component::Prefix(_) => {}
            }
            ahead = rest;
        }
        // After `..` the last name is not where it is.
        let end = names.pop_if(|last| last.path == at).unwrap_or_else(|| Name::at(at));
        Ok(Way { before: names, end })
    }

    /// What there is at its end.
    pub(crate) fn found(&self) -> Result<&Metadata, &io::Error> {
        self.end.found.as_ref()
    }

    fn names(&self) -> impl Iterator<Item = &Name> {
        self.before.iter().chain([&self.end])
    }

    pub(crate) fn nobody_else_can_change(&self) -> Result<(), String> {
        let own = rustix::process::geteuid().as_raw();
        self.names().try_for_each(|name| name.belongs_to(own))
    }

    /// Nothing on it lies in one of these places.
    pub(crate) fn leads_past(&self, writable: &[PathBuf]) -> Result<(), String> {
        for real in writable {
            let is_in = |name: &&Name| name.path.parent().is_some_and(|parent| parent.starts_with(real));
            if let Some(name) = self.names().find(is_in) {
                return Err(format!(
                    "{} lies in {}, where the process that talks to the network may write: whoever takes that over \
                     could exchange it; move it to another folder",
                    name.path.display(),
                    real.display()
                ));
            }
        }
        Ok(())
    }
}

impl Name {
    fn at(path: PathBuf) -> Name {
        Name { found: fs::symlink_metadata(&path), path }
    }

    fn is_link(&self) -> bool {
        self.found.as_ref().is_ok_and(Metadata::is_symlink)
    }

    /// To nobody but root and this user, and nobody else can write it.
    fn belongs_to(&self, own: u32) -> Result<(), String> {
        let shown = self.path.display();
        let metadata =
            self.found.as_ref().map_err(|error| format!("{shown} cannot be looked at: {error}"))?;
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

    #[test]
    fn whatever_lies_where_the_network_process_may_write_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let [state, programs] = ["state", "programs"].map(|name| root.join(name));
        for made in [&state, &programs, &state.join("inner")] {
            fs::create_dir(made).unwrap();
        }
        fs::write(programs.join("program"), "").unwrap();
        let writable = [root.join("none"), state.clone()];
        let link = |name: &str, target: &Path| {
            let link = programs.join(name);
            symlink(target, &link).unwrap();
            link
        };
        symlink(programs.join("program"), state.join("there-and-back")).unwrap();
        symlink(&state, root.join("other-name")).unwrap();
        for inside in [
            // Whether it is there already or not.
            state.join("inner/program"),
            root.join("none/program"),
            programs.join("../state/program"),
            root.join("other-name/program"),
            link("into", &state.join("program")),
            link("relative", Path::new("../state/inner/program")),
            link("through", &state.join("there-and-back")),
        ] {
            let said = network_cannot_change(&inside, &writable).unwrap_err();
            assert!(said.contains(" lies in ") && said.contains("move it"), "{}: {said}", inside.display());
        }
        for outside in [
            programs.join("program"),
            link("plain", Path::new("program")),
            root.join("state-of-others/program"),
            state.join("../programs/program"),
        ] {
            assert_eq!(network_cannot_change(&outside, &writable), Ok(()), "{}", outside.display());
        }
        let circle = link("circle", &programs.join("circle"));
        assert!(network_cannot_change(&circle, &writable).unwrap_err().contains("symbolic links"));
    }
}
