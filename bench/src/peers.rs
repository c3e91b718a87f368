//! What people use today for the same question, each as a whole process against a server of its own on this machine.
//!
//! Only what is installed is measured. Every server gets a configuration, keys and a port that exist for this run.

mod exporter;
pub(crate) mod nrpe;
mod pki;
pub(crate) mod ssh;
mod zabbix;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use bench::Error;

use crate::Effort;
use crate::fleet::Fleet;
use crate::oneshot::{in_turns, numbers, ratios};
use crate::report::{Aim, Report};
use crate::server::Server;

/// Where servers and plugins are that no search path names.
const FOLDERS: [&str; 4] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/lib/nagios/plugins", "/usr/lib64/nagios/plugins"];

/// A peer that is ready to be asked.
pub(crate) struct Peer {
    what: &'static str,
    /// How many times as long as ours it should take.
    aim: f64,
    pub(crate) ask: Command,
    /// Ends with the peer.
    _server: Server,
}

/// Takes an empty folder for what the peer needs.
type Start = fn(&Path) -> Result<Peer, Error>;

const PEERS: [(&str, Start); 4] = [
    ("check_nrpe and nrpe", nrpe::start),
    ("zabbix_get and zabbix_agent2", zabbix::start),
    ("curl and node_exporter", exporter::start),
    ("ssh and sshd", ssh::start),
];

pub(crate) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let _agent = fleet.agent()?;
    let mut table = format!(
        "### Peers\n\n{} rounds in turns with ours, whole processes; the ratio is taken round by round.\n\n\
         | peer | its wall ms | ours, wall ms |\n|---|---|---|",
        effort.shots / 2
    );
    for (number, (name, start)) in PEERS.into_iter().enumerate() {
        let folder = fleet.path(&format!("peer-{number}"));
        fs::create_dir(&folder)?;
        let row = start(&folder).and_then(|peer| beside(fleet, effort, report, peer));
        match row {
            Ok(row) => table += &row,
            Err(error) => report.not_measured(name, &error.to_string()),
        }
    }
    report.detail(table);
    Ok(())
}

fn beside(fleet: &Fleet, effort: &Effort, report: &mut Report, peer: Peer) -> Result<String, Error> {
    let shots = in_turns(&mut [peer.ask, fleet.ask_uptime()], effort.shots / 2)?;
    let (theirs, ours) = (&shots[0], &shots[1]);
    let times = ratios(theirs, ours, |shot| shot.wall)?;
    report.compare(&format!("{} over `controller uptime`", peer.what), Aim::AtLeast(peer.aim), &times, "x");
    let wall = |shots| numbers(shots, |shot| shot.wall);
    Ok(format!("\n| {} | {} | {} |", peer.what, wall(theirs)?, wall(ours)?))
}

/// A program of a peer, wherever it is installed.
pub(crate) fn find(program: &str) -> Result<PathBuf, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(FOLDERS.map(PathBuf::from));
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    found.ok_or_else(|| format!("`{program}` is not installed.").into())
}
