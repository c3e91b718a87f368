//! What the owner of a machine does on it: prints a code to have it adopted, or forgets whom it belongs to.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;

use certs::adoption::Code;
use certs::{Credentials, Peer};
use jiff::{SignedDuration, Timestamp};
use protocol::DEFAULT_PORT;

use crate::cli;
use crate::host;
use crate::service::{handed_identity, is_possible};
use crate::standpoint::act_as_owner;
use crate::state::State;

/// What cannot be done, and what to do.
type Fault = String;

/// Makes a code in place of any other, and says what to type at the desk.
///
/// # Errors
/// The machine belongs to somebody, nobody waits to be adopted, or the folder is no good.
pub fn code(flags: &cli::Code) -> Result<Told, Fault> {
    let state = State::new(&flags.folder.state);
    let folder = state.path().display();
    let identity = handed_identity(&state).unwrap_or_else(|| state.identity_file());
    act_as_owner(&state)?;
    if state.path().exists() {
        state.create().map_err(text)?;
    }
    if let Some(owned) = belongs(&identity)? {
        return Err(format!(
            "{owned}; no code is needed.\n  To give it to somebody else: agent reset --state {folder}"
        ));
    }
    let waiting = state.waiting();
    if waiting.is_empty() && state.is_held() {
        return Err(format!(
            "no agent waits for its adoption with the folder {folder}: the one that runs began as somebody, and is that until it is \
             started again.\n  The service: sudo systemctl restart rollcall-agent\n  One that was started by hand: stop it, \
             and start it"
        ));
    }
    if waiting.is_empty() || !state.is_held() {
        let service =
            if is_possible() { "Make it a service: sudo agent install\n  Or start" } else { "Start" };
        return Err(format!(
            "no agent waits for its adoption with the folder {folder}.\n  {service} one by hand: agent run --state {folder} \
             --listen 0.0.0.0:{DEFAULT_PORT}"
        ));
    }
    let code = Code::random().map_err(text)?;
    let life = SignedDuration::try_from(flags.life).map_err(text)?;
    let until = Timestamp::now().checked_add(life).map_err(text)?;
    state.create().and_then(|()| state.save_code(&code, until)).map_err(text)?;
    Ok(Told { words: instructions(life, until, &waiting), code: format!("  {code}\n") })
}

/// What people read, and what programs do.
#[derive(Debug)]
pub struct Told {
    /// What to do with the code.
    pub words: String,
    /// The code.
    pub code: String,
}

fn instructions(life: SignedDuration, until: Timestamp, waiting: &[SocketAddr]) -> String {
    let mut text = format!("Until {until:.0} ({life:#}) this machine can be adopted. Type at your desk:\n\n");
    for address in addresses(waiting) {
        let _ = writeln!(text, "  controller adopt {address}");
    }
    if waiting.iter().all(|address| address.ip().is_loopback()) {
        let _ = write!(
            text,
            "\nThe agent listens on loopback only: nobody but this machine reaches it.\n\
             Start it with --listen 0.0.0.0:{DEFAULT_PORT} for the others.\n"
        );
    }
    text += "\nand there, when asked, this code. It works once.\n\n";
    text
}

/// How a desk would write where the agent waits. An address of every interface is none that could be typed.
fn addresses(waiting: &[SocketAddr]) -> Vec<String> {
    let mut all: Vec<String> = waiting
        .iter()
        .map(|address| {
            let ip = address.ip();
            let ip = if ip.is_unspecified() { outward(ip) } else { Some(ip) };
            match (ip, address.port()) {
                (Some(ip), DEFAULT_PORT) => ip.to_string(),
                (Some(ip), port) => SocketAddr::new(ip, port).to_string(),
                (None, DEFAULT_PORT) => UNKNOWN.to_owned(),
                (None, port) => format!("{UNKNOWN}:{port}"),
            }
        })
        .collect();
    all.dedup();
    all
}

/// What stands for an address of this machine where it has none.
const UNKNOWN: &str = "ADDRESS-OF-THIS-MACHINE";

/// The address from which this machine would reach others, or without a way to them one that it has. Connecting a datagram
/// socket sends nothing.
fn outward(any: IpAddr) -> Option<IpAddr> {
    let far = if any.is_ipv4() { "192.0.2.1:9" } else { "[2001:db8::1]:9" };
    let local = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    let own = || host::addresses().into_iter().find(|own| own.is_ipv4() == any.is_ipv4());
    local.map(|address| address.ip()).ok().or_else(own)
}

/// Forgets whom the machine belongs to, after asking.
///
/// # Errors
/// It belongs to nobody, the answer was no, or the folder is no good.
pub fn reset(flags: &cli::Reset) -> Result<String, Fault> {
    let state = State::new(&flags.folder.state);
    act_as_owner(&state)?;
    if state.path().exists() {
        state.create().map_err(text)?;
    }
    let owned = match belongs(&state.identity_file()) {
        Ok(Some(owned)) => owned,
        Ok(None) => {
            return Err(format!("{} holds no identity: there is nothing to forget", state.path().display()));
        }
        // A damaged identity is a good reason to forget it.
        Err(damaged) => damaged,
    };
    if !flags.yes && !confirmed(&owned)? {
        return Err("nothing was changed".to_owned());
    }
    state.create().and_then(|()| state.forget_owner()).map_err(text)?;
    Ok("Forgotten. An agent that runs goes on as it was until it is started again: sudo systemctl restart rollcall-agent\n\
        Then it waits to be adopted, and `agent code` prints a code.\n\
        At the desk, `controller revoke` ends what the old certificate was good for.\n"
        .to_owned())
}

fn confirmed(owned: &str) -> Result<bool, Fault> {
    let ask = || -> io::Result<String> {
        write!(io::stderr(), "{owned}. Forget that? Type yes: ")?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer)
    };
    Ok(ask().map_err(text)?.trim() == "yes")
}

/// Whom the machine belongs to, in words.
fn belongs(identity: &Path) -> Result<Option<String>, Fault> {
    let owned = whose(identity)?;
    Ok(owned.map(|own| format!("this machine is {} already, until {:.0}", own.identity.name, own.not_after)))
}

/// Who an agent with this identity is.
pub(crate) fn whose(identity: &Path) -> Result<Option<Peer>, Fault> {
    match Credentials::load(identity) {
        Ok(credentials) => Ok(Some(credentials.own().clone())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(text(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over")]
fn text(error: impl ToString) -> Fault {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_is_what_would_work() {
        let typed = |waiting: &[&str]| {
            let waiting: Vec<SocketAddr> = waiting.iter().map(|address| address.parse().unwrap()).collect();
            addresses(&waiting)
        };
        assert_eq!(typed(&["192.0.2.7:5669"]), ["192.0.2.7"]);
        assert_eq!(
            typed(&["192.0.2.7:7000", "[2001:db8::7]:7000"]),
            ["192.0.2.7:7000", "[2001:db8::7]:7000"]
        );
        let any = typed(&["0.0.0.0:7000"]);
        assert!(any[0].ends_with(":7000") && !any[0].starts_with("0.0.0.0"), "{any:?}");
    }
}
