//! The same question by those who go through ssh: a program for each host, and a shell at its other end.

use std::net::Ipv4Addr;
use std::process::Command;

use bench::{Error, street};

use super::ground::Ground;
use super::rounds;
use crate::Effort;
use crate::oneshot::{Shot, numbers, ratios};
use crate::peers::find;
use crate::peers::ssh::Sshd;
use crate::report::{Aim, Report};

/// Of the many hosts one in so many: the others take a fifteenth of a second each.
const SHARE: usize = 50;
/// sshd takes no more strangers than this at once.
const AT_ONCE: usize = 50;
/// A round takes a quarter of a minute.
const ENOUGH: usize = 3;
const AIM: f64 = 150.0;

pub(super) fn measure(ground: &Ground<'_>, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let sshd = Sshd::start(&ground.folder("ssh")?, Ipv4Addr::UNSPECIFIED);
    let home = ground.home_knowing(0)?;
    let (count, turns) = (effort.hosts[1] / SHARE, effort.turns.min(ENOUGH));
    let range = street::selection(count, ground.port());
    let mut table = format!(
        "### Many hosts through ssh\n\n{turns} rounds in turns with ours, {count} hosts, {AT_ONCE} at once.\n\n\
         | peer | its wall ms | ours, wall ms |\n|---|---|---|"
    );
    for (name, command) in [("pdsh", pdsh as Peer), ("clush", clush)] {
        let theirs = sshd
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|sshd| command(sshd, count).map_err(|error| error.to_string()));
        let ours = ground.controller(&home, &["uptime", &range]);
        let shots =
            theirs.and_then(|theirs| rounds([theirs, ours], turns).map_err(|error| error.to_string()));
        match shots {
            Ok(shots) => table += &beside(&format!("`{name}` of {count} hosts"), &shots, report)?,
            Err(why) => report.not_measured(&format!("{name} over ssh"), &why),
        }
    }
    report.detail(table);
    Ok(())
}

type Peer = fn(&Sshd, usize) -> Result<Command, Error>;

fn pdsh(sshd: &Sshd, count: usize) -> Result<Command, Error> {
    let mut command = Command::new(find("pdsh")?);
    command.args(["-R", "ssh", "-S", "-f", &AT_ONCE.to_string(), "-w", &hosts(count), "uptime"]);
    command.env("PDSH_SSH_ARGS_APPEND", sshd.options.join(" "));
    Ok(command)
}

fn clush(sshd: &Sshd, count: usize) -> Result<Command, Error> {
    let mut command = Command::new(find("clush")?);
    command.args(["-S", "-f", &AT_ONCE.to_string(), "-w", &hosts(count)]);
    command.args(["-o", &sshd.options.join(" "), "uptime"]);
    Ok(command)
}

fn hosts(count: usize) -> String {
    format!("127.1.0.[1-{count}]")
}

fn beside(name: &str, [theirs, ours]: &[Vec<Shot>; 2], report: &mut Report) -> Result<String, Error> {
    let times = ratios(theirs, ours, |shot| shot.wall)?;
    report.compare(&format!("{name} over `controller uptime`"), Aim::AtLeast(AIM), &times, "x");
    let wall = |shots| numbers(shots, |shot: &Shot| shot.wall);
    Ok(format!("\n| {name} | {} | {} |", wall(theirs)?, wall(ours)?))
}
