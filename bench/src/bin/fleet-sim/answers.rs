//! What the fleet says: the same of every machine, but for the time.

use jiff::{SignedDuration, Timestamp};
use protocol::message::Outcome;
use protocol::requests::echo::{Echo, Echoed};
use protocol::requests::info::{Cpu, Disk, Info, Machine, Memory, Section, Space, System};
use protocol::requests::sync::{Sync, Synced};
use protocol::requests::time::{Clock, Time};
use protocol::requests::uptime::{Running, Uptime};
use protocol::{Answer, Ask, Refusal, Request};

const GIB: u64 = 1 << 30;
const LOAD: [f64; 3] = [0.25, 0.5, 0.75];

/// Facts that are prepared, to be told when somebody asks.
pub(crate) struct Answers {
    booted: Timestamp,
    machine: Machine,
}

impl Answers {
    /// Of machines that were started a week ago, and are well.
    pub(crate) fn of_today() -> Answers {
        let now = Timestamp::now();
        let booted = now.saturating_sub(SignedDuration::from_hours(7 * 24)).unwrap_or(now);
        let machine = Machine {
            system: Some(system(booted)),
            cpu: Some(cpu()),
            memory: Some(memory()),
            disks: Some(vec![disk("/"), disk("/boot"), disk("/var")]),
            ..Machine::default()
        };
        Answers { booted, machine }
    }

    /// What is asked of all machines that are asked for their health, and little more.
    pub(crate) fn to(&self, ask: Ask) -> Outcome<Answer> {
        let now = Timestamp::now();
        let answer = match ask {
            Ask::Uptime(_) => Uptime::into_answer(self.running(now)),
            Ask::Time(_) => Time::into_answer(clock(now)),
            Ask::Info(Info { sections }) => Info::into_answer(self.facts(now, &sections)),
            Ask::Echo(Echo { payload }) => Echo::into_answer(Echoed { payload }),
            Ask::Sync(Sync { number, .. }) => Sync::into_answer(Synced { number, list: bytes::Bytes::new() }),
            other => return Outcome::Refusal(Refusal::unknown_request(other.name())),
        };
        Outcome::Answer(answer)
    }

    fn running(&self, now: Timestamp) -> Running {
        let uptime_seconds = now.duration_since(self.booted).as_secs_f64();
        Running {
            uptime_seconds,
            booted: self.booted,
            now,
            utc_offset_seconds: 0,
            load: LOAD,
            users: Some(1),
        }
    }

    fn facts(&self, at: Timestamp, sections: &[Section]) -> Machine {
        let all = sections.is_empty();
        let wanted = |section| all || sections.contains(&section);
        Machine {
            at,
            system: self.machine.system.clone().filter(|_| wanted(Section::System)),
            cpu: self.machine.cpu.clone().filter(|_| wanted(Section::Cpu)),
            memory: self.machine.memory.filter(|_| wanted(Section::Memory)),
            disks: self.machine.disks.clone().filter(|_| wanted(Section::Disks)),
            ..Machine::default()
        }
    }
}

fn clock(now: Timestamp) -> Clock {
    Clock {
        received: now,
        sent: now,
        zone: Some("UTC".to_owned()),
        utc_offset_seconds: 0,
        synchronised: Some(true),
        max_error_seconds: Some(0.001),
    }
}

fn system(booted: Timestamp) -> System {
    System {
        host_name: "web".to_owned(),
        os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        os_id: "debian".to_owned(),
        os_version: Some("12".to_owned()),
        kernel: "6.1.0-37-amd64".to_owned(),
        architecture: "x86_64".to_owned(),
        virtualisation: Some("kvm".to_owned()),
        hardware: None,
        booted,
        uptime_seconds: 7.0 * 86_400.0,
        time_zone: Some("UTC".to_owned()),
        utc_offset_seconds: 0,
    }
}

fn cpu() -> Cpu {
    Cpu {
        model: Some("AMD EPYC".to_owned()),
        physical_cores: Some(4),
        logical_cores: 8,
        used_ratio: 0.1,
        used_over_seconds: 1.0,
        load: LOAD,
    }
}

fn memory() -> Memory {
    Memory {
        total_bytes: 16 * GIB,
        used_bytes: 4 * GIB,
        available_bytes: 12 * GIB,
        swap_total_bytes: 0,
        swap_used_bytes: 0,
    }
}

fn disk(mount_point: &str) -> Disk {
    Disk {
        mount_point: mount_point.to_owned(),
        kind: "ext4".to_owned(),
        source: "/dev/vda1".to_owned(),
        read_only: false,
        space: Some(Space {
            size_bytes: 100 * GIB,
            free_bytes: 60 * GIB,
            available_bytes: 55 * GIB,
            inodes: 6_000_000,
            inodes_free: 5_000_000,
        }),
        problem: None,
    }
}
