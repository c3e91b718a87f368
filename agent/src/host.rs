//! What the agent knows of the machine it runs on: narrow reads of `/proc` and system calls, done when asked.
//! It knows no peer, no permission and no certificate.

mod bus;
mod clock;
mod cpu;
mod disks;
mod files;
mod kernel_clock;
mod memory;
mod mounts;
mod netlink;
mod network;
mod prober;
mod process;
mod processes;
mod services;
mod source;
mod system;
mod users;
mod virtualisation;

use std::sync::OnceLock;

use futures_util::future::OptionFuture;
use jiff::Timestamp;
use protocol::requests::files::Look;
use protocol::requests::info::{Cpu, Machine, Section, System};
use protocol::requests::processes::Count;
use protocol::requests::services::Service;
use protocol::requests::uptime::Running;
use rustix::system::sysinfo;

pub use bus::Dialled;
pub(crate) use bus::Silence;
pub(crate) use clock::ClockSync;
pub(crate) use network::addresses;
pub(crate) use process::Own;
pub(crate) use source::HostError;
pub use system::Names;

use bus::Bus;
use clock::Clock;
use disks::{AskedDisks, Disks};
use files::Files;
use processes::Crowd;

/// Made once when the agent starts; it does nothing until it is asked.
pub(crate) struct Host {
    names: OnceLock<Names>,
    cpu: cpu::Meter,
    disks: Disks,
    crowd: Crowd,
    files: Files,
    bus: OnceLock<Bus>,
    clock: Clock,
}

impl Host {
    /// Takes the first sample of the processors. The names are read when they are asked for, unless somebody knows them.
    pub(crate) fn new() -> Host {
        Host {
            names: OnceLock::new(),
            cpu: cpu::Meter::new(),
            disks: Disks::new(),
            crowd: Crowd::new(),
            files: Files::new(),
            bus: OnceLock::new(),
            clock: Clock::new(),
        }
    }

    /// The names, as they were read when the agent could still read everything.
    pub(crate) fn keep_names(&self, names: Names) {
        let _ = self.names.set(names);
    }

    /// The line to the bus, as it was opened when the agent could still do that.
    pub(crate) fn asks_over(&self, dialled: Dialled) {
        let _ = self.bus.set(Bus::over(dialled));
    }

    fn names(&self) -> &Names {
        self.names.get_or_init(Names::read)
    }

    /// Gathers what is asked and nothing else; no sections asked means all of them. `agent` is left to the caller,
    /// who knows the name and the certificate. A section that cannot be read is absent; it is an error only when
    /// nothing at all could be read.
    pub(crate) async fn gather(&self, sections: &[Section]) -> Result<Machine, HostError> {
        let asked = |section| sections.is_empty() || sections.contains(&section);
        let mut failures = Failures::default();
        let disks = failures.keep(Section::Disks, asked(Section::Disks).then(|| self.disks.ask()));
        let mut machine = self.at_once(asked, &mut failures);
        let (cpu, disks) = tokio::join!(
            OptionFuture::from(asked(Section::Cpu).then(|| self.cpu())),
            OptionFuture::from(disks.map(AskedDisks::list)),
        );
        machine.cpu = failures.keep(Section::Cpu, cpu);
        machine.disks = disks;
        match failures.first {
            Some(failure) if machine == Machine::default() && !asked(Section::Agent) => Err(failure),
            _ => Ok(Machine { at: Timestamp::now(), ..machine }),
        }
    }

    /// The sections for which nothing has to be awaited.
    fn at_once(&self, asked: impl Fn(Section) -> bool, failures: &mut Failures) -> Machine {
        Machine {
            system: asked(Section::System).then(|| self.system()),
            memory: failures.keep(Section::Memory, asked(Section::Memory).then(memory::read)),
            network: failures.keep(Section::Network, asked(Section::Network).then(network::list)),
            users: failures.keep(Section::Users, asked(Section::Users).then(users::list)),
            ..Machine::default()
        }
    }

    /// What the classic `uptime` says; never waits.
    pub(crate) fn running(&self) -> Running {
        let now = Timestamp::now();
        Running {
            uptime_seconds: clock::since_boot().as_secs_f64(),
            booted: self.clock.booted(now),
            now,
            utc_offset_seconds: self.clock.zone(now).1,
            load: load(),
            users: users::list().ok().map(|sessions| sessions.len()),
        }
    }

    /// How many processes of each name there are, or why that is not known.
    pub(crate) async fn count(&self, names: Vec<String>) -> Result<Vec<Count>, String> {
        self.crowd.count(names, self.clock.booted(Timestamp::now())).await
    }

    /// What is at each path.
    pub(crate) async fn look(&self, paths: Vec<String>) -> Result<Vec<Look>, HostError> {
        self.files.look(paths).await
    }

    /// What systemd knows of these units.
    pub(crate) async fn services(&self, names: Vec<String>) -> Result<Vec<Service>, Silence> {
        services::list(self.bus.get_or_init(Bus::none), names).await
    }

    /// The zone's name and its offset from UTC in seconds at that moment.
    pub(crate) fn zone(&self, now: Timestamp) -> (Option<String>, i32) {
        self.clock.zone(now)
    }

    /// Whether the kernel's clock follows a source of time; costs one system call.
    pub(crate) fn clock_sync(&self) -> ClockSync {
        clock::sync()
    }

    /// What the agent's process holds.
    pub(crate) fn own(&self) -> Result<Own, HostError> {
        process::read(self.clock.running())
    }

    fn system(&self) -> System {
        let now = Timestamp::now();
        let (time_zone, utc_offset_seconds) = self.clock.zone(now);
        let names = self.names();
        System {
            host_name: system::host_name(),
            os: names.os.clone(),
            os_id: names.os_id.clone(),
            os_version: names.os_version.clone(),
            kernel: names.kernel.clone(),
            architecture: names.architecture.clone(),
            virtualisation: names.virtualisation.clone(),
            hardware: names.hardware.clone(),
            booted: self.clock.booted(now),
            uptime_seconds: clock::since_boot().as_secs_f64(),
            time_zone,
            utc_offset_seconds,
        }
    }

    async fn cpu(&self) -> Result<Cpu, HostError> {
        let busy = self.cpu.measure().await?;
        Ok(Cpu {
            model: self.names().cpu_model.clone(),
            physical_cores: self.names().physical_cores,
            logical_cores: busy.cores,
            used_ratio: busy.ratio,
            used_over_seconds: busy.over.as_secs_f64(),
            load: load(),
        })
    }
}

/// The same numbers as `/proc/loadavg`, for a tenth of its cost; two decimals, as the kernel shows them.
fn load() -> [f64; 3] {
    // The kernel's fixed point has 16 bits behind it.
    sysinfo().loads.map(|fixed| (fixed as f64 / 65_536.0 * 100.0).round() / 100.0)
}

/// The sections that could not be read.
#[derive(Default)]
struct Failures {
    first: Option<HostError>,
}

impl Failures {
    /// The facts if they could be read; the reason is kept if not.
    fn keep<T>(&mut self, section: Section, facts: Option<Result<T, HostError>>) -> Option<T> {
        match facts? {
            Ok(facts) => Some(facts),
            Err(failure) => {
                // Not a warning: a watch would write it five times a second.
                tracing::debug!(%section, %failure, "a section could not be read");
                self.first.get_or_insert(failure);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(machine: &Machine) -> Vec<Section> {
        let all = [
            (Section::System, machine.system.is_some()),
            (Section::Cpu, machine.cpu.is_some()),
            (Section::Memory, machine.memory.is_some()),
            (Section::Disks, machine.disks.is_some()),
            (Section::Network, machine.network.is_some()),
        ];
        all.into_iter().filter(|(_, filled)| *filled).map(|(section, _)| section).collect()
    }

    #[tokio::test]
    async fn gathers_only_what_is_asked() {
        let host = Host::new();
        for section in Section::ALL.into_iter().filter(|s| !matches!(s, Section::Agent | Section::Users)) {
            assert_eq!(filled(&host.gather(&[section]).await.unwrap()), [section]);
        }
    }

    #[tokio::test]
    async fn nothing_asked_is_everything() {
        let machine = Host::new().gather(&[]).await.unwrap();
        assert_eq!(filled(&machine), Section::ALL[..5]);
        assert!(machine.agent.is_none(), "the agent's section is its caller's");
        let cpu = machine.cpu.unwrap();
        assert!(cpu.logical_cores > 0 && (0.0..=1.0).contains(&cpu.used_ratio), "{cpu:?}");
        let system = machine.system.unwrap();
        assert!(system.uptime_seconds > 0.0 && system.booted < Timestamp::now(), "{system:?}");
        let lo = machine.network.unwrap().into_iter().find(|interface| interface.name == "lo").unwrap();
        assert_eq!(lo.mac, None, "loopback's address of zeros is none");
    }

    #[test]
    fn a_failed_section_is_absent_and_its_reason_kept() {
        let mut failures = Failures::default();
        let facts: Option<Result<(), _>> = Some(Err(HostError::odd("/proc/meminfo")));
        assert_eq!(failures.keep(Section::Memory, facts), None);
        assert!(failures.first.unwrap().to_string().contains("/proc/meminfo"));
        assert_eq!(Failures::default().keep(Section::Memory, Some(Ok(1))), Some(1));
    }

    #[test]
    fn load_is_the_kernels() {
        let told = std::fs::read_to_string("/proc/loadavg").unwrap();
        let fifteen: f64 = told.split(' ').nth(2).unwrap().parse().unwrap();
        // The kernel may take a new sample between the two reads; the slowest average barely moves then.
        assert!((load()[2] - fifteen).abs() < 0.2, "{:?} against {told}", load());
    }
}
