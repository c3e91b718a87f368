//! A simulated fleet that runs, and those who ask it.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench::{Error, street};
use protocol::message::put_ask;
use protocol::requests::info::{Info, Section};
use protocol::requests::time::Time;
use protocol::requests::uptime::Uptime;

use crate::fleet::Fleet;
use crate::server::{Server, free_address};

/// What the floor sends: the same as `controller uptime`.
pub(super) const UPTIME: &str = "uptime.frames";
/// The same as `controller check`.
pub(super) const CHECK: &str = "check.frames";

/// The fleet, until it is dropped.
pub(super) struct Ground<'a> {
    fleet: &'a Fleet,
    folder: PathBuf,
    sim: Server,
}

impl<'a> Ground<'a> {
    /// Starts so many machines, with all that belongs to them in a new folder of this name; a fault is written `dead=500`.
    pub(super) fn prepare(
        fleet: &'a Fleet,
        name: &str,
        count: usize,
        faults: &[String],
    ) -> Result<Ground<'a>, Error> {
        let (address, folder) = (free_address()?, fleet.path(name));
        fs::create_dir(&folder)?;
        let mut command = Command::new(&fleet.programs.fleet_sim);
        command.arg(fleet.authority()).arg(address.port().to_string()).arg(count.to_string()).args(faults);
        let sim = Server::start(&mut command, address, &folder.join("fleet-sim.log"))?;
        let (mut uptime, mut check) = (Vec::new(), Vec::new());
        put_ask(&mut uptime, 1, &Uptime {})?;
        put_ask(&mut check, 1, &Time {})?;
        let sections = vec![Section::Disks, Section::Memory, Section::Cpu, Section::System];
        put_ask(&mut check, 2, &Info { sections })?;
        fs::write(folder.join(UPTIME), uptime)?;
        fs::write(folder.join(CHECK), check)?;
        Ok(Ground { fleet, folder, sim })
    }

    /// Where all of them listen.
    pub(super) fn port(&self) -> u16 {
        self.sim.address.port()
    }

    /// An empty folder of this name.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// The floor sends this to so many.
    pub(super) fn floor(&self, asks: &str, count: usize) -> Command {
        let mut command = Command::new(&self.fleet.programs.floor_fanout);
        command.arg(self.fleet.controller_bundle()).arg(self.folder.join(asks));
        command.arg(self.port().to_string()).arg(count.to_string());
        command
    }

    pub(super) fn controller(&self, home: &Path, words: &[&str]) -> Command {
        let mut command = self.fleet.controller_at(home);
        command.args(words);
        command
    }

    /// A home of the same controller in which so many of the machines are known by name.
    pub(super) fn home_knowing(&self, count: usize) -> Result<PathBuf, Error> {
        let home = self.folder.join(format!("home-{count}"));
        if home.is_dir() {
            return Ok(home);
        }
        fs::create_dir(&home)?;
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700))?;
        fs::copy(self.fleet.controller_bundle(), home.join("identity.pem"))?;
        let mut hosts = String::new();
        for number in 0..count {
            let (name, address, port) = (street::name(number), street::address(number), self.port());
            writeln!(hosts, "[hosts.{name}]\naddresses = [\"{address}:{port}\"]\n")?;
        }
        fs::write(home.join("hosts.toml"), hosts)?;
        Ok(home)
    }
}
