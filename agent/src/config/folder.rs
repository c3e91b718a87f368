//! `agent.d`: further files, in the order of their names, in which there is nothing but declarations.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use protocol::requests::explain::Sort;

use super::declared::network_can_change_nothing;
use super::{DEFAULT_FILE, Fault, MORE_FILES, file};
use crate::declared::Declarations;

/// What a file declares, and what those in the folder beside it add. Nothing of it may lie in the folders where the process
/// that talks to the network may write.
pub(super) fn with_those_beside(
    file: Option<&Path>,
    mut declarations: Declarations,
    writable: &[PathBuf],
) -> Result<Declarations, Vec<Fault>> {
    let file = file.unwrap_or(Path::new(DEFAULT_FILE));
    network_can_change_nothing(file, &declarations, writable)?;
    add_all(&mut declarations, &file.with_file_name(MORE_FILES), writable)?;
    Ok(declarations)
}

fn add_all(declarations: &mut Declarations, folder: &Path, writable: &[PathBuf]) -> Result<(), Vec<Fault>> {
    for path in files(folder)? {
        let more = file::read_more(&path)?;
        network_can_change_nothing(&path, &more, writable)?;
        for (sort, there, more) in [
            (Sort::Check, &mut declarations.checks, more.checks),
            (Sort::Command, &mut declarations.commands, more.commands),
        ] {
            for (name, declaration) in more {
                if there.contains_key(&name) {
                    let (key, message) =
                        (format!("{}.{name}", sort.table()), "an earlier file declares it too".to_owned());
                    return Err(vec![Fault { file: path, place: None, key, message }]);
                }
                there.insert(name, declaration);
            }
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Vec<Fault>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<Result<Vec<_>, _>>),
    };
    let entries = entries.map_err(|error| {
        let message = format!("cannot be read: {error}");
        vec![Fault { file: folder.to_owned(), place: None, key: String::new(), message }]
    })?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    paths.sort_unstable();
    Ok(paths)
}
