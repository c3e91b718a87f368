//! The machine's clock: since when it runs, its time zone, and whether anything keeps it right.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

use super::kernel_clock::{self, State};
use super::source;

const LOCALTIME: &str = "/etc/localtime";

/// What has to be remembered to tell the same time twice in the same way.
pub(super) struct Clock {
    /// Of the agent.
    started: Duration,
    booted_seconds: AtomicI64,
    localtime: PathBuf,
    zone: Mutex<Zone>,
}

/// For the answer to `time`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClockSync {
    pub(crate) synchronised: Option<bool>,
    pub(crate) max_error_seconds: Option<f64>,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock::zoned_by(Path::new(LOCALTIME))
    }

    fn zoned_by(localtime: &Path) -> Clock {
        Clock {
            started: since_boot(),
            booted_seconds: AtomicI64::new(i64::MIN),
            localtime: localtime.to_owned(),
            zone: Mutex::new(Zone::utc()),
        }
    }

    /// Since the agent started, including time asleep.
    pub(super) fn running(&self) -> Duration {
        since_boot().saturating_sub(self.started)
    }

    /// The boot in whole seconds. It moves only when the machine's clock is set, never by rounding.
    pub(super) fn booted(&self, now: Timestamp) -> Timestamp {
        let up = SignedDuration::try_from(since_boot()).unwrap_or(SignedDuration::MAX);
        let exact = now.checked_sub(up).unwrap_or(now);
        let told = settle(self.booted_seconds.load(Ordering::Relaxed), exact);
        self.booted_seconds.store(told, Ordering::Relaxed);
        Timestamp::from_second(told).unwrap_or(exact)
    }

    /// The zone's name and its offset in seconds. The zone is read again only when its file has changed.
    pub(super) fn zone(&self, now: Timestamp) -> (Option<String>, i32) {
        let mark = Mark::of(&self.localtime);
        let mut zone = self.zone.lock().unwrap_or_else(PoisonError::into_inner);
        if mark != zone.mark {
            zone.mark = mark;
            // Where there is no file the C library takes UTC. One that cannot be read says nothing: keep the last.
            if mark.is_none() {
                *zone = Zone::utc();
            } else if let Some(read) = Zone::read(&self.localtime) {
                *zone = Zone { mark, ..read };
            }
        }
        (zone.name.clone(), zone.rules.to_offset(now).seconds())
    }
}

/// Since boot, including time asleep.
pub(super) fn since_boot() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

pub(super) fn sync() -> ClockSync {
    match kernel_clock::read() {
        // Its bound then only counts up to the kernel's ceiling, and bounds nothing.
        Some(State::Free) => ClockSync { synchronised: Some(false), max_error_seconds: None },
        Some(State::Synchronised(bound)) => {
            ClockSync { synchronised: Some(true), max_error_seconds: Some(bound.as_secs_f64()) }
        }
        None => ClockSync { synchronised: None, max_error_seconds: None },
    }
}

fn settle(told: i64, exact: Timestamp) -> i64 {
    let exact = exact.as_millisecond();
    if exact.abs_diff(told.saturating_mul(1000)) < 1000 { told } else { (exact + 500).div_euclid(1000) }
}

struct Zone {
    mark: Option<Mark>,
    name: Option<String>,
    rules: TimeZone,
}

impl Zone {
    fn utc() -> Zone {
        Zone { mark: None, name: None, rules: TimeZone::UTC }
    }

    /// Not by jiff's own search: for the name alone it would list every zone of the world.
    fn read(localtime: &Path) -> Option<Zone> {
        let rules = source::bytes(localtime).ok()?;
        let target = fs::read_link(localtime).ok();
        let target = target.as_deref().and_then(Path::to_str);
        let name = target.and_then(|target| target.split_once("zoneinfo/")).map(|(_, name)| name.to_owned());
        let rules = TimeZone::tzif(name.as_deref().unwrap_or_default(), &rules).ok()?;
        Some(Zone { mark: None, name, rules })
    }
}

/// Which file the zone was read from: another link, another file or other content makes another mark.
#[derive(Clone, Copy, PartialEq)]
struct Mark {
    file: (u64, u64),
    changed: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> Option<Mark> {
        let file = fs::metadata(path).ok()?;
        Some(Mark { file: (file.dev(), file.ino()), changed: (file.ctime(), file.ctime_nsec()) })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_boot_does_not_waver_by_rounding() {
        let first = settle(i64::MIN, at("2026-05-01T10:00:00.499Z"));
        assert_eq!(first, at("2026-05-01T10:00:00Z").as_second());
        assert_eq!(settle(first, at("2026-05-01T10:00:00.501Z")), first);
        assert_eq!(settle(first, at("2026-05-01T10:00:00.999Z")), first);
        assert_eq!(settle(first, at("2026-05-01T09:59:59.600Z")), first);
        assert_eq!(settle(first, at("2026-05-01T11:00:00.600Z")), first + 3601, "the clock was set");
    }

    #[test]
    fn the_boot_is_the_kernels() {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let told: i64 = stat.lines().find_map(|line| line.strip_prefix("btime ")).unwrap().parse().unwrap();
        let booted = Clock::new().booted(Timestamp::now()).as_second();
        assert!((booted - told).abs() <= 1, "{booted} against {told}");
    }

    /// A zone's file of an hour east of Greenwich, all year: version 1 empty, version 2 with one type and a rule.
    fn an_hour_east() -> Vec<u8> {
        let header = |counts: [u32; 6]| {
            let mut bytes = b"TZif2".to_vec();
            bytes.extend([0; 15]);
            bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
            bytes
        };
        let one_type = [&3600_i32.to_be_bytes()[..], &[0, 0], b"CET\0"].concat();
        let part = [header([0, 0, 0, 0, 1, 4]), one_type].concat();
        [&part[..], &part[..], b"\nCET-1\n"].concat()
    }

    #[test]
    fn the_zone_follows_its_file() {
        let now = at("2026-01-15T12:00:00Z");
        let folder = tempfile::tempdir().unwrap();
        let localtime = folder.path().join("localtime");
        let clock = Clock::zoned_by(&localtime);
        assert_eq!(clock.zone(now), (None, 0), "no file means UTC");

        let zones = folder.path().join("zoneinfo/Europe");
        fs::create_dir_all(&zones).unwrap();
        fs::write(zones.join("Berlin"), an_hour_east()).unwrap();
        symlink(zones.join("Berlin"), &localtime).unwrap();
        assert_eq!(clock.zone(now), (Some("Europe/Berlin".to_owned()), 3600));

        fs::remove_file(&localtime).unwrap();
        fs::write(&localtime, an_hour_east()).unwrap();
        assert_eq!(clock.zone(now), (None, 3600), "a copy has no name");

        fs::remove_file(&localtime).unwrap();
        fs::write(&localtime, "not a zone, but a file").unwrap();
        assert_eq!(clock.zone(now), (None, 3600), "what cannot be read changes nothing");
    }

    #[test]
    fn a_clock_that_is_free_has_no_bound() {
        let sync = sync();
        assert_eq!(sync.synchronised == Some(true), sync.max_error_seconds.is_some(), "{sync:?}");
    }
}
