//! Checks of file systems.

use protocol::requests::check::State;
use protocol::requests::info::{Disk, Section, Space};

use super::{Check, Need, Subject, When};
use crate::health::facts::{Facts, Told};
use crate::health::finding::{Measure, Verdict, worst};
use crate::health::plan::Wanted;
use crate::health::range::Bare;
use crate::health::threshold::{Scale, Threshold};
use crate::health::unit::Unit;
use crate::output::human::ratio;

const USED: Scale = Scale { unit: Unit::Percent, bare: Bare::AtMost, standard: "80%,90%" };

pub(super) const DISK: Check = Check {
    name: "disk",
    sentence: "The share of each file system's space in use; a share alone is the most that is well.",
    scale: Some(USED),
    when: When::Always,
    need: Need::Section(Section::Disks),
    judge: disk,
};

pub(super) const INODES: Check = Check {
    name: "inodes",
    sentence: "The share of files in use that each file system can hold; a share alone is the most that is well.",
    scale: Some(USED),
    when: When::Always,
    need: Need::Section(Section::Disks),
    judge: inodes,
};

pub(super) const READ_ONLY: Check = Check {
    name: "read-only",
    sentence: "No file system of a kind that is written to is mounted read-only; critical where one is.",
    scale: None,
    when: When::Always,
    need: Need::Section(Section::Disks),
    judge: read_only,
};

pub(super) const MOUNT: Check = Check {
    name: "mount",
    sentence: "A disk is mounted at PATH and answers; critical where none is. Memory, and a disk's further places, count as none.",
    scale: None,
    when: When::For(Subject::Path),
    need: Need::Section(Section::Disks),
    judge: mount,
};

fn disk(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    // As df counts: what only root may fill is neither used nor free.
    let used = |space: &Space| {
        let used = space.size_bytes.saturating_sub(space.free_bytes);
        Some((used, used.saturating_add(space.available_bytes)))
    };
    Ok(fullest(facts.section(|machine| machine.disks.as_ref())?, &wanted.threshold, used))
}

fn inodes(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let used = |space: &Space| {
        (space.inodes > 0).then(|| (space.inodes.saturating_sub(space.inodes_free), space.inodes))
    };
    Ok(fullest(facts.section(|machine| machine.disks.as_ref())?, &wanted.threshold, used))
}

/// Judges every file system that has numbers and can be written to; `used` is how much of how much.
fn fullest(disks: &[Disk], threshold: &Threshold, used: fn(&Space) -> Option<(u64, u64)>) -> Verdict {
    let (mut measures, mut silent, mut states) = (Vec::new(), Vec::new(), Vec::new());
    for disk in disks.iter().filter(|disk| !is_always_full(&disk.kind)) {
        let Some(space) = &disk.space else {
            let problem = disk.problem.as_deref().unwrap_or("tells no numbers");
            silent.push(format!("{} {problem}", disk.mount_point));
            continue;
        };
        let Some((used, all)) = used(space) else { continue };
        let percent = ratio(used, all) * 100.0;
        states.push((threshold.judge(percent), percent, disk.mount_point.as_str()));
        measures.push(Measure::new(Unit::Percent, percent).labelled(&disk.mount_point).against(threshold));
    }
    let state = worst(states.iter().map(|(state, ..)| *state).chain(silent.iter().map(|_| State::Unknown)));
    let mut shown: Vec<_> = states.iter().filter(|(found, ..)| *found == state).collect();
    shown.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut words: Vec<String> =
        shown.iter().map(|(_, percent, point)| format!("{point} {percent:.0} % used")).collect();
    // Of those that are well, the fullest is enough to know.
    words.truncate(if state == State::Ok { 1 } else { usize::MAX });
    words.extend(silent);
    if words.is_empty() {
        return Verdict::new(State::Ok, "no file system has a limit");
    }
    Verdict::new(state, words.join(", ")).measured(measures)
}

/// Made once and full ever since.
fn is_always_full(kind: &str) -> bool {
    matches!(kind, "iso9660" | "udf" | "squashfs" | "erofs" | "cramfs" | "romfs")
}

/// Kinds that a kernel mounts read-only when they break, and a person seldom does.
fn is_written_to(kind: &str) -> bool {
    matches!(
        kind,
        "ext2"
            | "ext3"
            | "ext4"
            | "xfs"
            | "btrfs"
            | "bcachefs"
            | "f2fs"
            | "zfs"
            | "jfs"
            | "nilfs2"
            | "ocfs2"
            | "gfs2"
            | "reiserfs"
            | "ubifs"
    )
}

fn read_only(facts: &Facts, _: &Wanted) -> Told<Verdict> {
    let disks = facts.section(|machine| machine.disks.as_ref())?;
    let stuck = disks.iter().filter(|disk| disk.read_only && is_written_to(&disk.kind));
    let stuck: Vec<String> = stuck.map(|disk| format!("{} ({})", disk.mount_point, disk.kind)).collect();
    Ok(if stuck.is_empty() {
        Verdict::new(State::Ok, "none")
    } else {
        Verdict::new(State::Critical, format!("mounted read-only: {}", stuck.join(", ")))
    })
}

fn mount(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let disks = facts.section(|machine| machine.disks.as_ref())?;
    // `/srv/` is the same place as `/srv`.
    let place = match wanted.subject.trim_end_matches('/') {
        "" => "/",
        place => place,
    };
    Ok(match disks.iter().find(|disk| disk.mount_point == place) {
        None => Verdict::new(State::Critical, "no disk is mounted there"),
        Some(Disk { problem: Some(problem), .. }) => Verdict::new(State::Unknown, problem),
        Some(disk) => Verdict::new(State::Ok, format!("{} from {}", disk.kind, disk.source)),
    })
}
