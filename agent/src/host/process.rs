//! What the agent's own process holds.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

use super::source::{self, HostError};

const STATM: &str = "/proc/self/statm";
const DESCRIPTORS: &str = "/proc/self/fd";

/// The agent's section without its name, its version and its certificate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Own {
    pub(crate) running_seconds: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) descriptors: usize,
    pub(crate) descriptors_limit: Option<u64>,
}

pub(super) fn read(running: Duration) -> Result<Own, HostError> {
    let statm = source::text(STATM)?;
    Ok(Own {
        running_seconds: running.as_secs_f64(),
        memory_bytes: resident_pages(&statm).ok_or_else(|| HostError::odd(STATM))? * page_size() as u64,
        descriptors: descriptors()?,
        descriptors_limit: getrlimit(Resource::Nofile).current,
    })
}

fn resident_pages(statm: &str) -> Option<u64> {
    statm.split(' ').nth(1)?.parse().ok()
}

fn descriptors() -> Result<usize, HostError> {
    let failed = |cause| HostError::new(DESCRIPTORS, cause);
    // From Linux 6.2 on the folder's size is the count; listing thousands of connections costs milliseconds.
    match fs::metadata(DESCRIPTORS).map_err(failed)?.size() {
        // One is the list's own.
        0 => Ok(fs::read_dir(DESCRIPTORS).map_err(failed)?.count().saturating_sub(1)),
        count => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_pages_are_the_second_number() {
        assert_eq!(resident_pages("1500 420 300 10 0 80 0\n"), Some(420));
        assert_eq!(resident_pages(""), None);
    }

    #[test]
    fn descriptors_held_are_counted() {
        let held: Vec<_> = (0..300).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let own = read(Duration::from_secs(2)).unwrap();
        assert!(own.descriptors >= held.len() && own.descriptors < held.len() + 300, "{own:?}");
        assert!(own.memory_bytes > 100_000, "{own:?}");
    }
}
