//! `agent status`: what the system knows of the service. It asks the agent nothing, so one that hangs is told of as well.

use std::fs;
use std::process::ExitCode;

use jiff::SignedDuration;
use rustix::param::clock_ticks_per_second;
use rustix::process::geteuid;
use rustix::time::{ClockId, clock_gettime};

use super::systemd::{self, Service};
use super::{Fault, UNIT, identity_file, listeners, say};
use crate::cli;
use crate::owner;
use crate::standpoint::act_as_owner;
use crate::state::State;

/// As `systemctl status` has it, and service programs before it.
const NOT_RUNNING: u8 = 3;

/// Says how the service is. The exit code says whether it runs.
pub fn status(flags: &cli::Status) -> ExitCode {
    let state = State::new(&flags.folder.state);
    let service = if systemd::is_here() { Service::ask().ok().filter(Service::is_known) } else { None };
    let process = state.holder().or_else(|| service.as_ref().and_then(Service::process));
    let runs = service.as_ref().map_or(process.is_some(), Service::runs);
    line("service", &service_words(service.as_ref(), &state));
    if let Some(process) = process {
        line("process", &process_words(process));
        line("listens on", &listener_words(process));
        line("sandbox", &sandbox_words(process));
    }
    // systemd keeps the last words of an agent that has ended.
    let living = service.as_ref().filter(|service| service.runs());
    if let Some(said) = living.map(|service| service.get("StatusText")).filter(|said| !said.is_empty()) {
        line("says", said);
    }
    let errors = service.as_ref().map(error_words);
    line("identity", &identity(flags, &state).unwrap_or_else(|fault| fault));
    if let Some(errors) = errors {
        line("last errors", &errors);
    }
    if runs { ExitCode::SUCCESS } else { ExitCode::from(NOT_RUNNING) }
}

fn line(label: &str, words: &str) {
    let words = words.trim_end().replace('\n', "\n             ");
    say(&format!("{label:<11}  {words}"));
}

fn service_words(service: Option<&Service>, state: &State) -> String {
    let Some(service) = service else {
        let runs = if state.is_held() { "an agent runs without one" } else { "and no agent runs" };
        return format!("none on this machine, {runs} with the folder {}", state.path().display());
    };
    let [active, sub, enabled, restarts, result] =
        ["ActiveState", "SubState", "UnitFileState", "NRestarts", "Result"].map(|key| service.get(key));
    let restarts = if restarts == "0" { String::new() } else { format!("; restarts: {restarts}") };
    let result = if result == "success" { String::new() } else { format!("; ended by: {result}") };
    format!("{UNIT} is {active} ({sub}), {enabled}{restarts}{result}")
}

fn process_words(process: u32) -> String {
    let up = uptime(process).map_or_else(String::new, |up| format!(", up {up:#}"));
    format!("{process}{up}")
}

/// The 22nd field is when it began, in ticks since the machine did; the second is a name that may hold anything.
fn uptime(process: u32) -> Option<SignedDuration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: u64 = fields.split(' ').nth(19)?.parse().ok()?;
    let began = i64::try_from(ticks / clock_ticks_per_second()).ok()?;
    Some(SignedDuration::from_secs(clock_gettime(ClockId::Boottime).tv_sec - began))
}

fn listener_words(process: u32) -> String {
    match listeners::of(process) {
        None => "only root may look".to_owned(),
        Some(none) if none.is_empty() => "nothing".to_owned(),
        Some(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// What the kernel itself says that it holds. Of files it tells nobody; the agent does, in its log and in `info`.
fn sandbox_words(process: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map_or("", str::trim)
    };
    let has_none = field("CapPrm").bytes().all(|digit| digit == b'0');
    let parts = [
        ("no capabilities", has_none),
        ("no new privileges", field("NoNewPrivs") == "1"),
        ("few system calls", field("Seccomp") == "2"),
    ];
    let of =
        |holds| parts.iter().filter(|part| part.1 == holds).map(|part| part.0).collect::<Vec<_>>().join(", ");
    match (of(true), of(false)) {
        (holds, missing) if missing.is_empty() => format!("holds: {holds}"),
        (holds, missing) => format!("holds: {holds}; MISSING: {missing}"),
    }
}

/// Those of the agent that runs, or of the last that ran: what was wrong before is mended.
fn error_words(service: &Service) -> String {
    let since_its_start = format!("_SYSTEMD_INVOCATION_ID={}", service.get("InvocationID"));
    match systemd::journal(&["--priority", "err", &since_its_start]) {
        Err(_) if !geteuid().is_root() => "none that this user may read".to_owned(),
        Err(fault) => fault,
        Ok(lines) if !lines.is_empty() => lines,
        Ok(_) if geteuid().is_root() => "none".to_owned(),
        Ok(_) => "none that this user may read".to_owned(),
    }
}

/// The last to be asked: root becomes the folder's owner for it.
fn identity(flags: &cli::Status, state: &State) -> Result<String, Fault> {
    let file = identity_file(&flags.folder)?;
    act_as_owner(state)?;
    Ok(match owner::whose(&file)? {
        Some(own) => format!("{}, until {:.0}", own.identity.name, own.not_after),
        None => "none: this machine belongs to nobody".to_owned(),
    })
}
