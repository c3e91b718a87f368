//! What is at a path, as the file system tells without opening it.

use std::fs::{self, Metadata};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use protocol::requests::files::{Facts, Kind, Look};

use super::mounts::Views;
use super::prober::{Answer, Prober};
use super::source::HostError;

/// For all paths together. File systems that live answer in microseconds.
const LIMIT: Duration = Duration::from_secs(1);

/// Remembers which paths do not answer.
pub(super) struct Files {
    prober: Prober<String, Seen>,
}

/// What the agent sees there, which need not be what the machine has there.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    /// Without links, as far as it is there.
    real: PathBuf,
    facts: Option<Facts>,
}

impl Files {
    pub(super) fn new() -> Files {
        Files { prober: Prober::new("files", LIMIT, Arc::new(|path: &String| look(Path::new(path)))) }
    }

    /// What is at each path, or why that is not known.
    pub(super) async fn look(&self, paths: Vec<String>) -> Result<Vec<Look>, HostError> {
        let answers = self.prober.ask(&paths).answers().await;
        let views = Views::read()?;
        Ok(paths.into_iter().zip(answers).map(|(path, seen)| told(path, seen, &views)).collect())
    }
}

fn told(path: String, seen: Answer<Seen>, views: &Views) -> Look {
    let problem = |problem| Look { path: path.clone(), exists: None, facts: None, problem: Some(problem) };
    match seen {
        Err(why) => problem(why),
        Ok(seen) if !views.agree_on(&seen.real) => {
            problem("is hidden from the agent, by its sandbox or by another mount".to_owned())
        }
        Ok(Seen { facts, .. }) => Look { exists: Some(facts.is_some()), facts, path, problem: None },
    }
}

/// Waits as long as the file system lets it.
fn look(path: &Path) -> Answer<Seen> {
    let (real, is_there) = without_links(path)?;
    let facts = match is_there {
        true => found(fs::metadata(&real)).map_err(|error| error.to_string())?.map(|told| facts(&told)),
        false => None,
    };
    Ok(Seen { real, facts })
}

/// The path itself, and whether anything is there. What is not there cannot be behind a link.
fn without_links(path: &Path) -> Answer<(PathBuf, bool)> {
    for part in path.ancestors() {
        match found(fs::canonicalize(part)).map_err(|error| error.to_string())? {
            Some(real) if part == path => return Ok((real, true)),
            Some(real) => return Ok((real.join(path.strip_prefix(part).unwrap_or(path)), false)),
            None if part.is_symlink() => {
                return Err(format!("{} is a link that leads to nothing the agent sees", part.display()));
            }
            None => {}
        }
    }
    Err("is no path that begins with /".to_owned())
}

/// That nothing is there is an answer.
fn found<T>(looked: Result<T, Error>) -> Result<Option<T>, Error> {
    match looked {
        Ok(there) => Ok(Some(there)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn facts(told: &Metadata) -> Facts {
    let kind = match () {
        () if told.is_file() => Kind::File,
        () if told.is_dir() => Kind::Folder,
        () => Kind::Other,
    };
    let nanoseconds = i32::try_from(told.mtime_nsec()).unwrap_or_default();
    let modified = Timestamp::new(told.mtime(), nanoseconds).ok();
    Facts { kind, size_bytes: told.len(), modified }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    async fn at(path: &Path) -> Look {
        let mut looks = Files::new().look(vec![path.to_str().unwrap().to_owned()]).await.unwrap();
        looks.pop().unwrap()
    }

    #[tokio::test]
    async fn files_folders_and_others_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "12345").unwrap();
        let written = fs::File::options().write(true).open(&file).unwrap();
        let time: Timestamp = "2020-02-03T04:05:06.000000007Z".parse().unwrap();
        written.set_modified(time.into()).unwrap();
        let facts = at(&file).await.facts.unwrap();
        assert_eq!(facts, Facts { kind: Kind::File, size_bytes: 5, modified: Some(time) });
        let link = folder.path().join("link");
        symlink(&file, &link).unwrap();
        assert_eq!(at(&link).await.facts, Some(facts), "what counts is behind the link");
        assert_eq!(at(folder.path()).await.facts.unwrap().kind, Kind::Folder);
        assert_eq!(
            at(Path::new("/proc/self/fd/..//../1/../../dev/null")).await.facts.unwrap().kind,
            Kind::Other
        );
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_apart_from_what_cannot_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (file, dangling, circle) =
            (folder.path().join("file"), folder.path().join("dangling"), folder.path().join("circle"));
        fs::write(&file, "").unwrap();
        symlink("/nowhere/at/all", &dangling).unwrap();
        symlink(&circle, &circle).unwrap();
        for absent in [folder.path().join("a/b/c"), file.join("below a file")] {
            let look = at(&absent).await;
            assert_eq!((look.exists, look.facts, look.problem), (Some(false), None, None), "{absent:?}");
        }
        for (path, said) in [
            (&dangling, "is a link that leads to nothing"),
            (&dangling.join("below"), "is a link that leads to nothing"),
            (&circle, "Too many levels"),
            (&PathBuf::from("relative"), "begins with /"),
        ] {
            let look = at(path).await;
            assert!(look.exists.is_none() && look.facts.is_none(), "{look:?}");
            assert!(look.problem.as_ref().unwrap().contains(said), "{look:?}");
        }
    }

    #[test]
    fn a_folder_of_the_sandboxs_own_is_not_taken_for_the_machines() {
        let machine = "28 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        let own = format!("{machine}29 28 8:1 /tmp/private /tmp rw - ext4 /dev/sda1 rw\n");
        let views = Views::of(machine, &own);
        let seen = |real: &str| Ok(Seen { real: real.into(), facts: None });
        assert_eq!(told("/x".to_owned(), seen("/etc/x"), &views).exists, Some(false));
        let hidden = told("/x".to_owned(), seen("/tmp/x"), &views);
        assert!(hidden.exists.is_none() && hidden.problem.unwrap().contains("hidden"));
    }
}
