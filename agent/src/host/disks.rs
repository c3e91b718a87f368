//! The machine's file systems and how full they are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use protocol::requests::info::{Disk, Space};
use rustix::fs::{major, minor, stat, statvfs};

use super::mounts::{self, Mount};
use super::prober::{Answer, Asked, Prober};
use super::source::HostError;

/// For all file systems together. Those that live answer in microseconds.
const LIMIT: Duration = Duration::from_secs(1);

/// Remembers which file systems do not answer.
pub(super) struct Disks {
    prober: Prober<Mount, Space>,
}

impl Disks {
    pub(super) fn new() -> Disks {
        Disks { prober: Prober::new("disks", LIMIT, Arc::new(probe)) }
    }

    /// Has them asked, so that they answer while other facts are gathered.
    pub(super) fn ask(&self) -> Result<AskedDisks<'_>, HostError> {
        let mounts = mounts::list()?;
        Ok(AskedDisks { asked: self.prober.ask(&mounts), mounts })
    }
}

/// The file systems, on their way to answer.
pub(super) struct AskedDisks<'a> {
    mounts: Vec<Mount>,
    asked: Asked<'a, Mount, Space>,
}

impl AskedDisks<'_> {
    pub(super) async fn list(self) -> Vec<Disk> {
        let answers = self.asked.answers().await;
        self.mounts.into_iter().zip(answers).map(|(mount, answer)| disk(mount, answer)).collect()
    }
}

fn disk(mount: Mount, answer: Answer<Space>) -> Disk {
    let (space, problem) = match answer {
        Ok(space) => (Some(space), None),
        Err(problem) => (None, Some(problem)),
    };
    Disk {
        mount_point: mount.point,
        kind: mount.kind,
        source: mount.source,
        read_only: mount.read_only,
        space,
        problem,
    }
}

/// Waits as long as the file system lets it.
fn probe(mount: &Mount) -> Answer<Space> {
    let failed = |cause: rustix::io::Errno| io::Error::from(cause).to_string();
    let told = statvfs(mount.point.as_str()).map_err(failed)?;
    let device = stat(mount.point.as_str()).map_err(failed)?.st_dev;
    // Each of their volumes shows a number of its own there.
    let has_volumes = matches!(mount.kind.as_str(), "btrfs" | "bcachefs");
    if !has_volumes && (major(device), minor(device)) != mount.device {
        // The numbers would be those of whatever the agent sees in its place.
        return Err("is hidden from the agent, by its sandbox or by another mount".to_owned());
    }
    Ok(Space {
        size_bytes: told.f_blocks.saturating_mul(told.f_frsize),
        free_bytes: told.f_bfree.saturating_mul(told.f_frsize),
        available_bytes: told.f_bavail.saturating_mul(told.f_frsize),
        inodes: told.f_files,
        inodes_free: told.f_ffree,
    })
}

#[cfg(test)]
mod tests;
