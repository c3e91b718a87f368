//! The packages on a machine of their own: each script of `packaging/tests` has one that was booted for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dist;
use crate::machine::{ENVIRONMENT, Machine};
use crate::shell::{Fault, output, say, step, word};
use crate::tally::Tally;
use crate::{target, tree, workspace};

const SCRIPTS: [&str; 8] = ["package", "program", "life", "truth", "facts", "handed", "declared", "judged"];
/// What runs where no systemd boots.
const CHROOT: &str = "chroot";

/// Where the packages are tested.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// On machines that are booted for it; in a chroot where none boots.
    Machine,
    /// In a chroot, as if none booted.
    Chroot,
}

pub(crate) fn run(tally: &mut Tally, place: Place) {
    // Two machines at a time would share one place among the kernel's control groups.
    let alone = File::create("/run/lock/rollcall-machine").and_then(|file| file.lock().map(|()| file));
    if let Err(error) = &alone {
        say(&format!("other tests on this machine may disturb these: {error}"));
    }
    let share = target().join("machine/share");
    let packager = match dist::packager() {
        Ok(packager) => packager,
        Err(fault) => return tally.not_run(&format!("packages: cargo-deb cannot be made here: {fault}")),
    };
    if let Err(fault) = fill(&share, &packager) {
        return tally.failed("packaging: packages are made", &fault);
    }
    tally.passed("packaging: packages are made");
    let tree = match tree::make() {
        Ok(tree) => tree,
        Err(fault) => return tally.not_run(&format!("packages, on a machine: {fault}")),
    };
    let booted = match place {
        Place::Machine => Machine::boot(&tree, &share),
        Place::Chroot => Err("as told".to_owned()),
    };
    match booted {
        Ok(first) => {
            step("a real systemd boots here: the packages are tested under it");
            drop(first);
            SCRIPTS.iter().for_each(|script| on_machine(tally, script, &tree, &share));
        }
        Err(fault) => {
            tally.not_run(&format!(
                "packages, under a systemd: none boots here ({fault}); a chroot takes its place"
            ));
            let told = in_chroot(&tree, &share);
            note(tally, CHROOT, told);
        }
    }
}

/// Programs, packages of two versions and scripts, for the machine to find.
fn fill(share: &Path, packager: &dist::Packager) -> Result<(), Fault> {
    let _ = fs::remove_dir_all(share);
    fs::create_dir_all(share).map_err(|error| error.to_string())?;
    let copy = |from: PathBuf, name: &str| {
        fs::copy(&from, share.join(name)).map(drop).map_err(|error| format!("{}: {error}", from.display()))
    };
    let built = target().join("debug");
    dist::pages(&built.join("pages"))?;
    for program in ["agent", "controller"] {
        copy(built.join(program), program)?;
        copy(
            packager.package(program, &["--profile", "dev"], &target().join("machine"))?,
            &format!("{program}.deb"),
        )?;
    }
    let next = ["--profile", "dev", "--deb-version", "99.0.0-1"];
    copy(packager.package("agent", &next, &target().join("machine"))?, "agent-next.deb")?;
    let scripts = fs::read_dir(workspace().join("packaging/tests")).map_err(|error| error.to_string())?;
    scripts.flatten().try_for_each(|script| copy(script.path(), &script.file_name().to_string_lossy()))
}

fn on_machine(tally: &mut Tally, script: &str, tree: &Path, share: &Path) {
    let disk = Disk::make();
    let number = disk.as_ref().map_or("", |disk| &disk.number);
    let told = Machine::boot(tree, share).and_then(|machine| machine.run(&format!("{script}.sh"), &[number]));
    note(tally, script, told);
}

fn note(tally: &mut Tally, script: &str, told: Result<String, Fault>) {
    let name = format!("packaging: {script}");
    match told {
        Ok(told) => {
            // A script shows its commands too; only what it says itself counts.
            told.lines()
                .filter_map(|line| line.strip_prefix("NOT RUN: "))
                .for_each(|what| tally.not_run(what));
            tally.passed(&name);
        }
        Err(fault) => tally.failed(&name, &fault),
    }
}

fn in_chroot(tree: &Path, share: &Path) -> Result<String, Fault> {
    let root = target().join("machine/chroot");
    tree::copy(tree, &root)?;
    output(Command::new("cp").args(["-r", &format!("{}/.", word(share)), &word(&root.join("mnt"))]))?;
    let mut chroot = Command::new("chroot");
    chroot.arg(&root).args(["sh", "-eux", &format!("/mnt/{CHROOT}.sh")]).env_clear().envs(ENVIRONMENT);
    let told = output(&mut chroot);
    let _ = fs::remove_dir_all(&root);
    told
}

/// A block device of some megabytes, with a file system on it; given back when dropped.
struct Disk {
    device: String,
    number: String,
}

impl Disk {
    fn make() -> Option<Disk> {
        let made = || -> Result<Disk, Fault> {
            let image = word(&target().join("machine/disk"));
            output(Command::new("truncate").args(["--size=20M", &image]))?;
            output(Command::new("mkfs.ext4").args(["-q", "-F", &image]))?;
            let device =
                output(Command::new("losetup").args(["--find", "--show", &image]))?.trim().to_owned();
            let number = output(Command::new("stat").args(["--format=%Hr %Lr", &device]))?.trim().to_owned();
            Ok(Disk { device, number })
        };
        made().map_err(|fault| say(&format!("no disk to test with: {fault}"))).ok()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = output(Command::new("losetup").args(["--detach", &self.device]));
    }
}
