//! `info`: what the machine is and how it is doing.
//!
//! Numbers carry their unit in the name. What a machine does not tell is absent, never zero.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Message;

/// Which facts to gather.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Info {
    /// Empty: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
}

/// A part of the facts; only what is asked for is gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Names, versions, kind of machine, uptime.
    System,
    /// Model, cores, use, load.
    Cpu,
    /// Memory and swap.
    Memory,
    /// File systems.
    Disks,
    /// Network interfaces.
    Network,
    /// Users logged in.
    Users,
    /// The agent itself.
    Agent,
}

impl Section {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Section; 7] = [
        Section::System,
        Section::Cpu,
        Section::Memory,
        Section::Disks,
        Section::Network,
        Section::Users,
        Section::Agent,
    ];

    /// The name on the wire and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Section::System => "system",
            Section::Cpu => "cpu",
            Section::Memory => "memory",
            Section::Disks => "disks",
            Section::Network => "network",
            Section::Users => "users",
            Section::Agent => "agent",
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The facts that were asked for; a section that was not asked for is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// When the facts were gathered, by the machine's clock.
    pub at: Timestamp,
    /// See [`Section::System`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// See [`Section::Cpu`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// See [`Section::Memory`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// See [`Section::Disks`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disks: Option<Vec<Disk>>,
    /// See [`Section::Network`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Vec<Interface>>,
    /// See [`Section::Users`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
    /// See [`Section::Agent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
}

/// The machine by its names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// The kernel's host name.
    pub host_name: String,
    /// The operating system's full name, such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// Its short name, such as `debian`.
    pub os_id: String,
    /// Its version, where it has one.
    pub os_version: Option<String>,
    /// The kernel's release.
    pub kernel: String,
    /// The processor's architecture.
    pub architecture: String,
    /// `physical`, or the kind of virtual machine or container, where it can be told.
    pub virtualisation: Option<String>,
    /// The machine's maker and model as its firmware tells them.
    pub hardware: Option<String>,
    /// When the machine booted, by its clock.
    pub booted: Timestamp,
    /// Since boot, including time asleep.
    pub uptime_seconds: f64,
    /// The time zone's name, where the machine has one.
    pub time_zone: Option<String>,
    /// Local time minus UTC.
    pub utc_offset_seconds: i32,
}

/// The processors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// The model's name, where the kernel knows it.
    pub model: Option<String>,
    /// Cores that exist as hardware, where the kernel tells.
    pub physical_cores: Option<usize>,
    /// Cores that the scheduler sees.
    pub logical_cores: usize,
    /// The share of all cores that was busy: 0.0 to 1.0.
    pub used_ratio: f64,
    /// The span over which `used_ratio` was measured, ending now.
    pub used_over_seconds: f64,
    /// Runnable and waiting tasks, averaged over 1, 5 and 15 minutes.
    pub load: [f64; 3],
}

/// Memory and swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// In use and not to be had back: total minus available.
    pub used_bytes: u64,
    /// What a new program could get without swapping.
    pub available_bytes: u64,
    /// All swap; 0 where there is none.
    pub swap_total_bytes: u64,
    /// Swap in use.
    pub swap_used_bytes: u64,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount_point: String,
    /// Its kind, such as `ext4`.
    pub kind: String,
    /// What is mounted: a device, or a server's folder.
    pub source: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Its numbers; absent where it did not answer in time.
    pub space: Option<Space>,
    /// Why there are no numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How full a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// All of it.
    pub size_bytes: u64,
    /// Free to anybody or kept for root.
    pub free_bytes: u64,
    /// Free to anybody.
    pub available_bytes: u64,
    /// Files and folders it can hold; 0 where it has no such limit.
    pub inodes: u64,
    /// How many more it can hold.
    pub inodes_free: u64,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Its hardware address, where it has one.
    pub mac: Option<String>,
    /// Its addresses with their prefix length.
    pub addresses: Vec<String>,
    /// Since it came up.
    pub received_bytes: u64,
    /// Since it came up.
    pub sent_bytes: u64,
    /// Since it came up.
    pub received_packets: u64,
    /// Since it came up.
    pub sent_packets: u64,
    /// Faulty packets in either direction since it came up.
    pub errors: u64,
}

/// A user's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub name: String,
    /// On which terminal, where there is one.
    pub terminal: Option<String>,
    /// From which host, where it is a remote one.
    pub from: Option<String>,
    /// Since when, where it is known.
    pub since: Option<Timestamp>,
}

/// The agent itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name, from its certificate.
    pub name: String,
    /// Its version.
    pub version: String,
    /// When its certificate ends.
    pub certificate_ends: Timestamp,
    /// Since it started.
    pub running_seconds: f64,
    /// Memory it holds.
    pub memory_bytes: u64,
    /// File descriptors it has open.
    pub descriptors: usize,
    /// The most descriptors it may have open.
    pub descriptors_limit: Option<u64>,
    /// Why its audit log is not whole or cannot be written; absent when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<String>,
    /// What the kernel keeps it from doing; absent where it is a part of another program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
}

/// What the kernel keeps the agent from doing, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sandbox {
    /// The parts that the kernel enforces.
    pub holds: Vec<String>,
    /// Those that it does not, and why.
    pub missing: Vec<String>,
}

impl Message for Info {}
impl Message for Machine {}
