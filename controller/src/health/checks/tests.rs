//! Each check, judged by what it may be told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use protocol::requests::check::State::{self, Critical, Ok as Fine, Unknown, Warning};
use protocol::requests::info::{Cpu, Disk, Machine, Memory, Space, System, User};

use super::*;
use crate::health::facts::{ClockTold, Declared, FileState, Offset, UnitState};
use crate::health::plan::Plan;

const GIB: u64 = 1 << 30;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn machine(machine: Machine) -> Facts {
    Facts { machine: Ok(machine), ..Facts::new(now()) }
}

/// What a check finds, its thresholds or its subject being written like this; without, as it is done otherwise.
fn judged(name: &str, written: &str, facts: &Facts) -> Verdict {
    let check = Check::named(name).unwrap();
    let wanted =
        if written.is_empty() { Wanted::new(check, "") } else { Wanted::read(check, written).unwrap() };
    let mut plan = Plan::default();
    plan.want(wanted);
    // That a host is not reached stands before all else.
    plan.judge("web-1", facts).checks.pop().unwrap().verdict
}

fn found(name: &str, written: &str, facts: &Facts) -> (State, String) {
    let Verdict { state, text, .. } = judged(name, written, facts);
    (state, text)
}

#[track_caller]
fn finds(name: &str, written: &str, facts: &Facts, state: State, text: &str) {
    assert_eq!(found(name, written, facts), (state, text.to_owned()), "{name} {written}");
}

fn disk(mount_point: &str, kind: &str, used_percent: u64) -> Disk {
    let free = 100 - used_percent;
    Disk {
        mount_point: mount_point.to_owned(),
        kind: kind.to_owned(),
        source: "/dev/sda1".to_owned(),
        read_only: false,
        space: Some(Space {
            size_bytes: 100 * GIB,
            free_bytes: free * GIB,
            available_bytes: free * GIB,
            inodes: 1000,
            inodes_free: free * 10,
        }),
        problem: None,
    }
}

fn disks(disks: Vec<Disk>) -> Facts {
    machine(Machine { disks: Some(disks), ..Machine::default() })
}

#[test]
fn names_are_flags_and_standards_can_be_read() {
    let names: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
    for check in &CHECKS {
        assert!(check.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", check.name);
        assert!(check.sentence.ends_with('.'), "{}", check.name);
        if let Some(scale) = check.scale {
            assert!(scale.read(scale.standard).is_ok(), "{}", check.name);
            assert!(
                check.sentence.contains("alone"),
                "{} does not say what a number alone means",
                check.name
            );
        }
        assert!(table().contains(check.sentence), "{}", table());
    }
}

#[test]
fn what_is_not_known_is_never_well() {
    let mut plan = Plan::standard();
    for check in &CHECKS {
        plan.want(Wanted::new(check, if check.subject().is_some() { "x" } else { "" }));
    }
    for (facts, reachable) in
        [(Facts::new(now()), Fine), (Facts::of_unreachable(now(), "connect: no answer"), Critical)]
    {
        let report = plan.judge("web-1", &facts);
        assert_eq!(report.checks.len(), CHECKS.len());
        for finding in report.checks {
            let expected = if finding.check == "reachable" { reachable } else { Unknown };
            assert_eq!(finding.verdict.state, expected, "{finding:?}");
            assert!(!finding.verdict.text.is_empty());
        }
    }
    let empty = plan.judge("web-1", &machine(Machine::default()));
    assert_eq!(empty.checks.iter().filter(|finding| finding.verdict.state == Fine).count(), 1);
}

#[test]
fn a_host_that_is_not_reached_is_critical_whatever_was_asked() {
    let dead = Facts::of_unreachable(now(), "connect: no answer");
    let state = |names: &[&str]| {
        let mut plan = Plan::default();
        names.iter().for_each(|name| plan.want(Wanted::new(Check::named(name).unwrap(), "")));
        plan.judge("web-1", &dead).state
    };
    assert_eq!(state(&["load"]), Critical);
    assert_eq!(state(&["reachable"]), Critical);
    assert_eq!(state(&["load", "declared"]), Critical);
    assert_eq!(state(&["declared"]), Unknown, "a plugin that did not run is UNKNOWN");
}

#[test]
fn one_reason_has_one_line_for_eyes() {
    use crate::output::Show;

    let dead = Facts::of_unreachable(now(), "connect: no answer");
    let shown = |plan: &Plan| plan.judge("web-1", &dead).table("web-1");
    assert_eq!(
        shown(&Plan::standard()),
        "web-1  CRITICAL\n  CRITICAL  reachable  connect: no answer\n  UNKNOWN   11 others  not known, the host is not reached\n"
    );
    let mut two = Plan::standard();
    two.keep(|check| matches!(check.name, "reachable" | "load"));
    assert!(shown(&two).contains("load       not known"), "{}", shown(&two));
    let declared = shown(&Plan::declared("mail"));
    assert!(declared.contains("declared mail  connect: no answer"), "{declared}");
}

#[test]
fn the_way() {
    let dead = Facts::of_unreachable(now(), "connect: no answer within 10 s");
    finds("reachable", "", &dead, Critical, "connect: no answer within 10 s");
    finds("disk", "", &dead, Unknown, "connect: no answer within 10 s");
    finds("reachable", "", &Facts::new(now()), Fine, "answers");
    for (millis, state) in [(100, Fine), (101, Warning), (1001, Critical)] {
        let facts = Facts { round_trip: Ok(Duration::from_millis(millis)), ..Facts::new(now()) };
        assert_eq!(found("latency", "", &facts).0, state, "{millis}");
    }
}

#[test]
fn the_clock() {
    let facts = |seconds, error_seconds| Facts {
        clock: Ok(ClockTold { offset: Some(Offset { seconds, error_seconds }), synchronised: None }),
        ..Facts::new(now())
    };
    finds("clock", "", &facts(0.5, 0.001), Fine, "500.0 ms ahead, +-1.000 ms");
    finds("clock", "", &facts(-0.6, 0.001), Warning, "600.0 ms behind, +-1.000 ms");
    finds("clock", "", &facts(-3.0, 0.001), Critical, "3000.0 ms behind, +-1.000 ms");
    // The way is so slow that nothing is proven.
    finds("clock", "", &facts(0.1, 0.7), Unknown, "100.0 ms ahead, +-700.0 ms");
    finds("clock", "", &facts(9.0, 0.7), Critical, "9000.0 ms ahead, +-700.0 ms");
    for (synchronised, state) in [(Some(true), Fine), (Some(false), Warning), (None, Unknown)] {
        let facts = Facts { clock: Ok(ClockTold { offset: None, synchronised }), ..Facts::new(now()) };
        assert_eq!(found("synchronised", "", &facts).0, state);
        finds("clock", "", &facts, Unknown, "a clock was set while the two were compared");
    }
}

#[test]
fn the_certificate() {
    let facts = |hours| Facts {
        certificate_ends: Ok(now() + SignedDuration::from_hours(hours)),
        ..Facts::new(now())
    };
    finds("cert", "", &facts(22 * 24), Fine, "ends in 22 d 0 h");
    finds("cert", "", &facts(20 * 24), Warning, "ends in 20 d 0 h");
    finds("cert", "", &facts(6 * 24), Critical, "ends in 6 d 0 h");
    finds("cert", "", &facts(-3), Critical, "ended 3 h 0 min ago");
    finds("cert", "12h,6h", &facts(20), Fine, "ends in 20 h 0 min");
}

#[test]
fn the_machine() {
    let memory = Memory {
        total_bytes: 100 * GIB,
        used_bytes: 92 * GIB,
        available_bytes: 8 * GIB,
        swap_total_bytes: 0,
        swap_used_bytes: 0,
    };
    let of = |memory| machine(Machine { memory: Some(memory), ..Machine::default() });
    finds("memory", "", &of(memory), Warning, "92 % used, 92 GiB of 100 GiB");
    finds("swap", "", &of(memory), Fine, "none");
    let swapping = Memory { swap_total_bytes: 10 * GIB, swap_used_bytes: 10 * GIB, ..memory };
    finds("swap", "", &of(swapping), Critical, "100 % used, 10 GiB of 10 GiB");
    let load = |logical_cores, load| {
        let (model, physical_cores) = (None, None);
        let cpu = Cpu { model, physical_cores, logical_cores, used_ratio: 0.0, used_over_seconds: 1.0, load };
        machine(Machine { cpu: Some(cpu), ..Machine::default() })
    };
    finds("load", "", &load(4, [99.0, 8.0, 0.0]), Fine, "2.00 a core");
    finds("load", "", &load(4, [0.0, 8.4, 99.0]), Warning, "2.10 a core");
    finds("load", "1,2", &load(4, [0.0, 8.4, 0.0]), Critical, "2.10 a core");
    finds("load", "", &load(0, [0.0; 3]), Unknown, "the machine does not say how many cores it has");
    let user = User { name: "a".to_owned(), terminal: None, from: None, since: None };
    let users = |count| machine(Machine { users: Some(vec![user.clone(); count]), ..Machine::default() });
    finds("users", "", &users(1), Fine, "1 session");
    finds("users", "2,5", &users(3), Warning, "3 sessions");
    finds("users", "1:", &users(0), Warning, "0 sessions");
}

#[test]
fn a_machine_that_has_just_started() {
    let up = |uptime_seconds| {
        let system = System {
            host_name: String::new(),
            os: String::new(),
            os_id: String::new(),
            os_version: None,
            kernel: String::new(),
            architecture: String::new(),
            virtualisation: None,
            hardware: None,
            booted: now(),
            uptime_seconds,
            time_zone: None,
            utc_offset_seconds: 0,
        };
        machine(Machine { system: Some(system), ..Machine::default() })
    };
    finds("uptime", "", &up(599.0), Warning, "started 9 min 59 s ago");
    finds("uptime", "", &up(600.0), Fine, "started 10 min 0 s ago");
    finds("uptime", "~:30d", &up(31.0 * 86_400.0), Warning, "started 31 d 0 h ago");
}

#[test]
fn file_systems_by_the_fullest() {
    let facts = disks(vec![disk("/", "ext4", 81), disk("/srv", "xfs", 95), disk("/data", "zfs", 91)]);
    finds("disk", "", &facts, Critical, "/srv 95 % used, /data 91 % used");
    finds("inodes", "", &facts, Critical, "/srv 95 % used, /data 91 % used");
    finds("disk", "99%", &facts, Fine, "/srv 95 % used");
    let measures = judged("disk", "", &facts).measures;
    let labels: Vec<&str> = measures.iter().map(|measure| measure.label.as_str()).collect();
    assert_eq!(labels, ["/", "/srv", "/data"]);
    assert!(measures.iter().all(|measure| measure.critical == "90".parse().ok()));
    let full_as_made = disks(vec![disk("/", "ext4", 10), disk("/cdrom", "iso9660", 100)]);
    finds("disk", "", &full_as_made, Fine, "/ 10 % used");
    let mut endless = disk("/", "btrfs", 10);
    endless.space.as_mut().unwrap().inodes = 0;
    finds("inodes", "", &disks(vec![endless]), Fine, "no file system has a limit");
}

#[test]
fn a_file_system_that_does_not_answer_is_not_well() {
    let silent = Disk { space: None, problem: Some("does not answer".to_owned()), ..disk("/nfs", "nfs4", 0) };
    let facts = disks(vec![silent.clone(), disk("/", "ext4", 10)]);
    finds("disk", "", &facts, Unknown, "/nfs does not answer");
    let facts = disks(vec![silent, disk("/", "ext4", 85)]);
    finds("disk", "", &facts, Warning, "/ 85 % used, /nfs does not answer");
    finds("mount", "/nfs", &facts, Unknown, "does not answer");
    finds("mount", "/", &facts, Fine, "ext4 from /dev/sda1");
    finds("mount", "/nfs/", &facts, Unknown, "does not answer");
    finds("mount", "/backup", &facts, Critical, "no disk is mounted there");
}

#[test]
fn what_is_written_to_must_not_be_read_only() {
    let stuck = |point, kind| Disk { read_only: true, ..disk(point, kind, 10) };
    let facts = disks(vec![stuck("/usr", "erofs"), stuck("/cdrom", "iso9660"), stuck("/share", "nfs4")]);
    finds("read-only", "", &facts, Fine, "none");
    let facts = disks(vec![stuck("/", "ext4"), disk("/home", "xfs", 1), stuck("/srv", "btrfs")]);
    finds("read-only", "", &facts, Critical, "mounted read-only: / (ext4), /srv (btrfs)");
}

#[test]
fn processes_are_enough_or_not() {
    let facts = |running| Facts {
        processes: BTreeMap::from([("nginx".to_owned(), Ok(running))]),
        ..Facts::new(now())
    };
    finds("process", "nginx", &facts(0), Critical, "0 processes");
    finds("process", "nginx", &facts(1), Fine, "1 process");
    finds("process", "nginx:4,2", &facts(3), Warning, "3 processes");
    finds("process", "nginx:1:1", &facts(2), Warning, "2 processes");
    finds("process", "cron", &facts(2), Unknown, "the agent does not tell it");
}

#[test]
fn services_run_and_do_not_start_again_and_again() {
    let facts = |load: &str, active: &str, sub: &str, restarts| {
        let words = [load, active, sub].map(str::to_owned);
        let [load, active, sub] = words;
        let unit = UnitState { load, active, sub, restarts };
        Facts { services: BTreeMap::from([("nginx".to_owned(), Ok(unit))]), ..Facts::new(now()) }
    };
    for (active, sub, restarts, state, text) in [
        ("active", "running", Some(0), Fine, "active (running), restarted 0 times by itself"),
        ("active", "running", Some(6), Warning, "active (running), restarted 6 times by itself"),
        ("active", "exited", None, Fine, "active (exited)"),
        (
            "activating",
            "auto-restart",
            Some(1),
            Warning,
            "activating (auto-restart), restarted 1 time by itself",
        ),
        ("failed", "failed", Some(0), Critical, "failed (failed), restarted 0 times by itself"),
        ("inactive", "dead", None, Critical, "inactive (dead)"),
    ] {
        finds("service", "nginx", &facts("loaded", active, sub, restarts), state, text);
    }
    finds("service", "nginx", &facts("not-found", "inactive", "dead", None), Critical, "not-found");
    let restarted = facts("loaded", "active", "running", Some(6));
    assert_eq!(found("service", "nginx:~:,5", &restarted).0, Critical);
}

#[test]
fn files_that_grow_old() {
    let facts =
        |file| Facts { files: BTreeMap::from([("/var/a:b".to_owned(), Ok(file))]), ..Facts::new(now()) };
    let hours = |hours: f64| facts(FileState::Present { age_seconds: hours * 3600.0, size_bytes: 2048 });
    finds("file-age", "/var/a:b:1h,2h", &hours(1.5), Warning, "changed 1 h 30 min ago, 2.0 KiB");
    finds("file-age", "/var/a:b:~:2h", &hours(-1.0), Fine, "changed 1 h 0 min in the future, 2.0 KiB");
    finds("file-age", "/var/a:b:1h,2h", &hours(-1.0), Critical, "changed 1 h 0 min in the future, 2.0 KiB");
    finds("file-age", "/var/a:b:1h", &facts(FileState::Absent), Critical, "does not exist");
}

#[test]
fn what_is_declared_speaks_for_itself() {
    let facts = |state, why: Option<&str>, output: &str| {
        let said = Declared { state, why: why.map(str::to_owned), output: output.to_owned() };
        Facts { declared: BTreeMap::from([("mail".to_owned(), Ok(said))]), ..Facts::new(now()) }
    };
    let output = "MAIL OK - 3 waiting | waiting=3;10;20;0\nfirst\nsecond | age=5ms nonsense\nold=1h\n";
    let verdict = judged("declared", "mail", &facts(Warning, None, output));
    assert_eq!((verdict.state, verdict.text.as_str()), (Warning, "MAIL OK - 3 waiting"));
    assert_eq!(verdict.lines, ["first", "second", "this is no performance data: nonsense"]);
    let measures: Vec<_> = verdict.measures.iter().map(|m| (m.label.as_str(), m.value)).collect();
    assert_eq!(measures, [("waiting", Some(3.0)), ("age", Some(0.005)), ("old", Some(1.0))]);
    let late = judged("declared", "mail", &facts(Unknown, Some("did not end within 60 s"), "half\n"));
    assert_eq!((late.text.as_str(), &late.lines[..]), ("did not end within 60 s", &["half".to_owned()][..]));
    let mut refused = facts(Fine, None, "");
    refused.declared.insert("mail".to_owned(), Err("permission: you may not run it".to_owned()));
    finds("declared", "mail", &refused, Unknown, "permission: you may not run it");
    finds("declared", "other", &refused, Unknown, "the agent does not tell it");
}
