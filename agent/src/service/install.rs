//! `agent install`: user, configuration and unit, each only where it is missing or was this command's own.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::steps::{self, Step, What};
use super::systemd::{self, Service};
use super::{
    CONFIG_FILE, CONFIG_MORE, Fault, PROGRAM, STATE, UNIT, UNIT_FILE, USER, demand_root, identity_file,
    is_packaged, say, unit, user_exists,
};
use crate::cli::{self, StateFolder};
use crate::owner;

/// Programs in these folders stay where they are; others may be moved, or hidden from the service, such as a home.
const PLACES: [&str; 5] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/rollcall"];

/// For the code that is printed at the end.
const CODE_LIFE: Duration = Duration::from_secs(3600);

const MAKE_USER: [&str; 8] = [
    "useradd",
    "--system",
    "--user-group",
    "--no-create-home",
    "--home-dir=/nonexistent",
    "--shell=/usr/sbin/nologin",
    "--comment=Rollcall agent",
    USER,
];

/// Makes the agent a service, starts it, waits until it is ready, and says how it is adopted.
///
/// # Errors
/// There is no systemd, this is not root, or a step failed.
pub fn install(flags: cli::Install) -> Result<(), Fault> {
    systemd::demand(systemd::TO_INSTALL)?;
    if !flags.dry_run {
        demand_root("install")?;
    }
    let steps = plan(&own_program()?)?;
    steps::take(&steps, flags.dry_run).map_err(with_journal)?;
    if flags.dry_run { Ok(()) } else { say_what_next() }
}

fn own_program() -> Result<PathBuf, Fault> {
    env::current_exe().map_err(|error| format!("cannot find this program itself: {error}"))
}

fn plan(own: &Path) -> Result<Vec<Step>, Fault> {
    let stays = PLACES.iter().any(|place| own.parent() == Some(Path::new(place)));
    if is_packaged() && own != Path::new("/usr/bin/agent") {
        return Err(
            "this machine has the package rollcall-agent, and another agent beside it would not do: type \
                    `sudo /usr/bin/agent install`, or remove the package first"
                .to_owned(),
        );
    }
    let service = Service::ask()?;
    let program = if stays { own } else { Path::new(PROGRAM) };
    let mut steps = Vec::new();
    if !stays {
        steps.push(What::Copy { from: own.to_owned(), to: PROGRAM }.when_different());
    }
    steps.push(What::Run(&MAKE_USER).when(!user_exists()));
    let config = What::Write { path: CONFIG_FILE, contents: unit::CONFIG.to_owned() };
    steps.push(config.when(!Path::new(CONFIG_FILE).exists()));
    steps.push(What::Folder(CONFIG_MORE).when_different());
    if !is_packaged() {
        let contents = unit::text(program);
        let unit = What::Write { path: UNIT_FILE, contents }.when_different();
        let is_needed = unit.is_needed();
        steps.push(unit);
        steps.push(What::Run(&["systemctl", "daemon-reload"]).when(is_needed));
    }
    let has_changed =
        steps.iter().any(Step::is_needed) || runs_another(&service, program) || is_forgotten(&service);
    steps.push(What::Run(&["systemctl", "enable", UNIT]).when(!service.is_enabled()));
    steps.push(match service.runs() {
        true => What::Run(&["systemctl", "restart", UNIT]).when(has_changed),
        false => What::Run(&["systemctl", "start", UNIT]).when(true),
    });
    Ok(steps)
}

/// Whether what runs is another program than the one that lies there: somebody has put a newer one in its place.
fn runs_another(service: &Service, program: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let running = service.process().and_then(|process| file(Path::new(&format!("/proc/{process}/exe"))));
    running.is_some() && running != file(program)
}

/// Whether the agent serves on as somebody whom `agent reset` has forgotten.
fn is_forgotten(service: &Service) -> bool {
    let serves = service.runs() && !waits(service);
    serves && identity_file(&StateFolder { state: PathBuf::from(STATE) }).is_ok_and(|file| !file.exists())
}

fn waits(service: &Service) -> bool {
    service.get("StatusText").starts_with("waits on ")
}

/// When the agent did not start, it has said why.
fn with_journal(fault: Fault) -> Fault {
    let lines = systemd::journal(&[]).unwrap_or_default();
    if !fault.contains(UNIT) || lines.is_empty() {
        return fault;
    }
    format!("{fault}\n\nThe last that it said:\n{lines}")
}

/// systemd returns when the agent is ready, and the agent has said then whether it waits.
fn say_what_next() -> Result<(), Fault> {
    let service = Service::ask()?;
    if !waits(&service) {
        say(&format!("\nThe agent runs: {}", service.get("StatusText")));
        return Ok(());
    }
    let folder = StateFolder { state: PathBuf::from(STATE) };
    let told = owner::code(&cli::Code { folder, life: CODE_LIFE })?;
    say("\nThe agent runs, and waits for whom it shall belong to.");
    let _ = write!(io::stdout(), "{}{}", told.words, told.code);
    Ok(())
}
