//! What went wrong with a host: at which stage, why, and what to do.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use certs::{Error, Peer};
use jiff::Timestamp;
use protocol::{Refusal, refusal};
use serde::Serialize;

use super::{Kind, Stage, in_lines};
use crate::hosts::Host;

/// Whoever takes what is printed for less than this at a time is only slow.
const STALL: Duration = Duration::from_secs(1);

const LOG_MAY_SAY_MORE: &str = "the agent's log on that machine may say more";

/// What went wrong with a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What the person called it.
    #[serde(skip)]
    pub host: String,
    /// How far it went.
    pub stage: Stage,
    /// For programs; never changes its meaning.
    pub kind: Kind,
    /// What failed.
    pub message: String,
    /// The likely reason, where there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What to do next.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Failure {
    /// What a person reads.
    pub(crate) fn text(&self) -> String {
        in_lines(&format!("{}: {}: {}", self.host, self.stage.word(), self.message), &self.why, &self.hint)
    }

    /// The stage, and what failed.
    pub(crate) fn in_one_line(&self) -> String {
        format!("{}: {}", self.stage.word(), self.message)
    }

    /// The same without whose it is and at which address, so that what befell many is said once.
    pub(crate) fn of_many(&self) -> Failure {
        // Names stand in back-ticks: its own, and what was looked up in vain. A machine may be called `the`.
        let is_own = |word: &str, bare: &str| match word.starts_with('`') {
            true => bare == self.host || self.stage == Stage::Lookup,
            false => bare.parse::<SocketAddr>().is_ok(),
        };
        let word = |word: &str| match word.trim_matches(['`', ':', ',']) {
            bare if is_own(word, bare) => word.replace(['`'], "").replace(bare, "it"),
            _ => word.to_owned(),
        };
        let words = |text: &str| text.split(' ').map(word).collect::<Vec<_>>().join(" ");
        Failure {
            host: String::new(),
            message: words(&self.message),
            why: words(&self.why),
            hint: self.hint.clone(),
            ..*self
        }
    }

    pub(super) fn new(host: &Host, kind: Kind, message: impl Into<String>) -> Failure {
        Failure {
            host: host.label.clone(),
            stage: kind.stage(),
            kind,
            message: message.into(),
            why: String::new(),
            hint: String::new(),
        }
    }

    pub(super) fn because(mut self, why: impl Into<String>) -> Failure {
        self.why = why.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = hint.into();
        self
    }

    /// What the name service said in place of an address.
    pub fn lookup(host: &Host, name: &str, fault: &str) -> Failure {
        let fault = fault.trim_start_matches("failed to lookup address information: ");
        if fault.starts_with("Temporary") {
            return Failure::lookup_unanswered(host, name, fault);
        }
        let failure = Failure::new(host, Kind::NameNotFound, format!("no address for `{name}`: {fault}"))
            .hint("check the spelling, or give the machine's address in place of the name");
        match host.expected {
            Some(_) => failure,
            None => failure.because("neither hosts.toml nor the name service knows it"),
        }
    }

    pub(crate) fn lookup_unanswered(host: &Host, name: &str, fault: &str) -> Failure {
        Failure::new(
            host,
            Kind::LookupTimedOut,
            format!("the name service did not tell of `{name}`: {fault}"),
        )
        .hint("check /etc/resolv.conf, or give the machine's address in place of the name")
    }

    pub(crate) fn connect(host: &Host, address: SocketAddr, error: &io::Error) -> Failure {
        let failure = |kind, message: String| Failure::new(host, kind, message);
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                failure(Kind::ConnectionRefused, format!("{address} refused the connection"))
                    .because("nothing listens on that port there, or a firewall rejects it")
                    .hint("look there with `agent status`; start it with `systemctl start rollcall-agent`, or correct the port")
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                failure(Kind::Unreachable, format!("there is no way to {address}: {error}"))
                    .hint("check the address and this machine's network")
            }
            _ => failure(Kind::ConnectFailed, format!("cannot connect to {address}: {error}"))
                .hint("check the address and this machine's network"),
        }
    }

    pub(crate) fn connect_timed_out(host: &Host, address: SocketAddr, limit: Duration) -> Failure {
        Failure::new(host, Kind::ConnectTimedOut, format!("{address} did not answer within {limit:?}"))
            .because("the machine is down, or a firewall drops what is sent to that port")
            .hint("check the machine and the port; --timeout waits longer")
    }

    pub(crate) fn silent_handshake(host: &Host, address: SocketAddr, limit: Duration) -> Failure {
        Failure::new(
            host,
            Kind::HandshakeTimedOut,
            format!("{address} did not finish the handshake within {limit:?}"),
        )
        .because("something listens there that does not answer TLS, or the agent is overloaded")
        .hint("check that the port is the agent's; --timeout waits longer")
    }

    pub(crate) fn refused(host: &Host, refusal: &Refusal) -> Failure {
        Failure::new(host, Kind::Refusal(refusal.kind), format!("refused: {}", refusal.message))
            .hint(if refusal.hint.is_empty() { LOG_MAY_SAY_MORE } else { &refusal.hint })
    }

    pub(crate) fn not_waiting(host: &Host, address: SocketAddr) -> Failure {
        Failure::new(host, Kind::NotWaiting, format!("{address} does not wait to be adopted"))
            .because("it belongs to another authority, or it is no agent")
            .hint("on that machine, `agent reset` makes it forget its owner, and `agent code` says where it waits")
    }

    pub(crate) fn already_yours(host: &Host, address: SocketAddr, name: &str) -> Failure {
        Failure::new(host, Kind::AlreadyYours, format!("{address} is yours already: {name}"))
            .hint(format!("ask it: controller info {name}"))
    }

    pub(crate) fn unproven(host: &Host, address: SocketAddr) -> Failure {
        Failure::new(host, Kind::Unproven, format!("{address} took the code, and does not know it itself"))
            .because("somebody between you and that machine answers in its place")
            .hint("nothing was signed; find out who answers there before you go on")
    }

    pub(crate) fn not_adopted(host: &Host, refusal: &Refusal) -> Failure {
        let failure = Failure::refused(host, refusal);
        let failure = Failure { stage: Stage::Adoption, ..failure };
        match refusal.kind {
            // The agent tells nobody more than this.
            refusal::Kind::CodeNotAccepted => failure.because(
                "it is not that machine's newest code, or was used, or the address is another machine's",
            ),
            _ => failure,
        }
    }

    pub(crate) fn not_shown(host: &Host, shown: &Peer) -> Failure {
        let message = format!("it took the certificate, and still shows another, until {}", shown.not_after);
        Failure::new(host, Kind::NotShown, message)
            .because(
                "another machine answers there too, or somebody else has renewed it or put its file back",
            )
            .hint("ask again in a moment: controller renew says it when it lasts")
    }

    pub(crate) fn no_answer(host: &Host, limit: Duration, begun: bool) -> Failure {
        let message = if begun {
            format!("the answer began and did not end within {limit:?}")
        } else {
            format!("no answer within {limit:?}")
        };
        Failure::new(host, Kind::NoAnswer, message).hint("ask again; --timeout waits longer")
    }

    /// A program that runs there still, and wrote something or not.
    pub(crate) fn not_ended(host: &Host, limit: Duration) -> Failure {
        Failure::new(host, Kind::NotEnded, format!("it did not end within {limit:?}, and is ended now"))
            .hint("--timeout waits longer")
    }

    pub(crate) fn not_taken(host: &Host, limit: Duration) -> Failure {
        Failure::new(host, Kind::NoAnswer, format!("the agent did not take the request within {limit:?}"))
            .hint("ask again; --timeout waits longer")
    }

    pub(crate) fn ended(host: &Host) -> Failure {
        Failure::new(host, Kind::Ended, "the agent ended the connection without an answer")
            .hint("the agent's log says why; it may have been stopped")
    }

    pub(crate) fn ended_early(host: &Host, shown: u64) -> Failure {
        Failure::new(
            host,
            Kind::Ended,
            format!("the agent ended the answers after {shown}, sooner than was asked"),
        )
        .hint("the agent's log says why; it may have been stopped")
    }

    pub(crate) fn torn(host: &Host, begun: bool) -> Failure {
        let message = if begun {
            "the connection was cut in the middle of an answer"
        } else {
            "the connection was cut before an answer came"
        };
        Failure::new(host, Kind::Cut, message)
            .hint("the agent or the network between may have failed; ask again")
    }

    pub(crate) fn broken(host: &Host, error: &io::Error) -> Failure {
        Failure::new(host, Kind::Broken, format!("the connection broke: {error}"))
            .hint("the agent or the network between may have failed; ask again")
    }

    /// Where what is printed here was not taken for so long, that is why the agent hung up, and nothing failed there.
    pub(crate) fn after_a_stall(self, stalled: Duration) -> Failure {
        match self.kind {
            Kind::Cut | Kind::Broken | Kind::Ended if stalled >= STALL => self
                .because(format!(
                    "what is printed here was not read for {} s, and an agent waits only so long for a reader",
                    stalled.as_secs()
                ))
                .hint("write it to a file and read that; or raise `idle` under [limits] on that machine"),
            _ => self,
        }
    }

    pub(crate) fn nonsense(host: &Host, what: &str) -> Failure {
        // The library quotes what it found, and that can be megabytes.
        let what: String = what.chars().take(200).collect();
        Failure::new(host, Kind::Nonsense, format!("what came is no answer: {what}"))
            .because("the agent is of another version, or is not to be trusted")
            .hint("compare `controller --version` with `agent --version` there")
    }

    pub(crate) fn bad_list(host: &Host, error: &Error) -> Failure {
        Failure::new(host, Kind::BadList, format!("its revocation list was not taken: {error}"))
            .because("the agent belongs to another authority too, or is not to be trusted")
            .hint("ask whoever keeps the authority; `controller sync` from there brings the right one")
    }

    /// A record that was noted, and that is no longer there or is another one now.
    pub(crate) fn log_not_as_noted(host: &str, what: &str, seen: Timestamp, receipt: &Path) -> Failure {
        Failure {
            host: host.to_owned(),
            stage: Stage::Request,
            kind: Kind::AuditNotAsNoted,
            message: format!("THE AUDIT LOG WAS CUT OR REWRITTEN: {what}, noted at {seen}"),
            why: "somebody changed its files, or the machine was set up anew".to_owned(),
            hint: format!("find out on that machine; to begin anew then, remove {}", receipt.display()),
        }
    }

    pub(crate) fn broken_log(host: &str, flaw: &str) -> Failure {
        Failure {
            host: host.to_owned(),
            stage: Stage::Request,
            kind: Kind::AuditBroken,
            message: format!("THE AUDIT LOG IS NOT WHOLE: {flaw}"),
            why: "somebody changed its files, or the disk is failing".to_owned(),
            hint: "on that machine, `agent audit verify` names the file and the line".to_owned(),
        }
    }

    /// A machine that is not as it should be, and was waited for long enough.
    pub(crate) fn not_yet(host: &str, how: &str) -> Failure {
        Failure {
            host: host.to_owned(),
            stage: Stage::Request,
            kind: Kind::NotYet,
            message: format!("not as it should be: {how}"),
            why: String::new(),
            hint: "find out on that machine; --timeout waits longer".to_owned(),
        }
    }

    pub(crate) fn changed_echo(host: &str, sent: usize, got: usize) -> Failure {
        Failure {
            host: host.to_owned(),
            stage: Stage::Request,
            kind: Kind::Changed,
            message: format!("{sent} bytes were sent, and {got} other bytes came back"),
            why: "the agent is faulty, or is not to be trusted".to_owned(),
            hint: "compare `controller --version` with `agent --version` there".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::Inventory;

    #[test]
    fn who_did_not_read_is_not_told_that_the_agent_failed() {
        let host = Host::resolve("web-1", &Inventory::default()).unwrap();
        let cut = || Failure::torn(&host, true);
        assert_eq!(cut().after_a_stall(Duration::from_millis(9)), cut());
        let stalled = cut().after_a_stall(Duration::from_secs(312));
        assert!(stalled.why.starts_with("what is printed here was not read for 312 s"), "{}", stalled.why);
        assert!(!stalled.hint.contains("failed"), "{}", stalled.hint);
    }
}
