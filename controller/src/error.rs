//! Every failure in words: at which stage, what, why, and what to do next. At most three lines each.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use certs::tls::{self, Judge, Reason};
use certs::{Error, Peer};
use jiff::Timestamp;
use protocol::Refusal;
use serde::Serialize;

use crate::exit::Exit;
use crate::hosts::Host;
use crate::output::human;

/// Why a verb could not do its work.
#[derive(Debug)]
pub enum Trouble {
    /// Something at this desk: what it is, and what to do.
    Here(String, String),
    /// A host was not reached, not trusted, or did not answer.
    Host(Failure),
    /// Standard output cannot be written.
    Stdout(io::Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Host(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Here(error.to_string(), String::new())
    }
}

impl Trouble {
    /// What a person reads.
    pub fn text(&self) -> String {
        let (what, why, hint) = match self {
            Trouble::Here(what, hint) => (what.clone(), "", hint.as_str()),
            Trouble::Host(failure) => {
                let what = format!("{}: {}: {}", failure.host, failure.stage.word(), failure.message);
                (what, failure.why.as_str(), failure.hint.as_str())
            }
            Trouble::Stdout(error) => (format!("cannot write the answer: {error}"), "", ""),
        };
        let mut text = format!("controller: {}\n", human::plain(&what));
        for (label, line) in [("why", why), ("try", hint)] {
            if !line.is_empty() {
                text += &format!("  {label}: {}\n", human::plain(line));
            }
        }
        text
    }

    /// What a script reads.
    pub fn exit(&self) -> Exit {
        match self {
            Trouble::Here(..) => Exit::NotAsked,
            Trouble::Host(failure) if failure.stage.is_before_trust() => Exit::NotReached,
            Trouble::Host(_) | Trouble::Stdout(_) => Exit::Refused,
        }
    }
}

/// How far it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Finding the address of a name.
    Lookup,
    /// Connecting to the address.
    Connect,
    /// Agreeing on TLS.
    Tls,
    /// Believing each other.
    Identity,
    /// Asking and being answered.
    Request,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Stage::Lookup => "lookup",
            Stage::Connect => "connect",
            Stage::Tls => "TLS",
            Stage::Identity => "identity",
            Stage::Request => "request",
        }
    }

    fn is_before_trust(self) -> bool {
        self != Stage::Request
    }
}

/// What went wrong with a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What the person called it.
    #[serde(skip)]
    pub host: String,
    /// How far it went.
    pub stage: Stage,
    /// For programs; never changes its meaning.
    pub kind: String,
    /// What failed.
    pub message: String,
    /// The likely reason.
    pub why: String,
    /// What to do next.
    pub hint: String,
}

impl Failure {
    fn new(host: &Host, stage: Stage, kind: &str, message: impl Into<String>) -> Failure {
        let host = host.label.clone();
        Failure {
            host,
            stage,
            kind: kind.to_owned(),
            message: message.into(),
            why: String::new(),
            hint: String::new(),
        }
    }

    fn because(mut self, why: impl Into<String>) -> Failure {
        self.why = why.into();
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = hint.into();
        self
    }

    pub(crate) fn lookup(host: &Host, name: &str, fault: &str) -> Failure {
        let fault = fault.trim_start_matches("failed to lookup address information: ");
        let hint = if fault.starts_with("Temporary") {
            "the name server did not answer; check /etc/resolv.conf, or use an address"
        } else {
            "check the spelling, or give the machine's address in place of the name"
        };
        Failure::new(host, Stage::Lookup, "name_not_found", format!("no address for `{name}`: {fault}"))
            .hint(hint)
    }

    pub(crate) fn connect(host: &Host, address: SocketAddr, error: &io::Error) -> Failure {
        let failure = |kind, message: String| Failure::new(host, Stage::Connect, kind, message);
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                failure("refused", format!("{address} refused the connection"))
                    .because("nothing listens on that port there, or a firewall rejects it")
                    .hint("start the agent there with `agent run --listen ADDRESS:PORT`, or correct the port")
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                failure("unreachable", format!("there is no way to {address}: {error}"))
                    .hint("check the address and this machine's network")
            }
            _ => failure("failed", format!("{address}: {error}"))
                .hint("check the address and this machine's network"),
        }
    }

    pub(crate) fn connect_timed_out(host: &Host, address: SocketAddr, limit: Duration) -> Failure {
        Failure::new(host, Stage::Connect, "timed_out", format!("{address} did not answer within {limit:?}"))
            .because("the machine is down, or a firewall drops what is sent to that port")
            .hint("check the machine and the port; --timeout waits longer")
    }

    pub(crate) fn silent_handshake(host: &Host, address: SocketAddr, limit: Duration) -> Failure {
        Failure::new(
            host,
            Stage::Tls,
            "timed_out",
            format!("{address} did not finish the handshake within {limit:?}"),
        )
        .because("something listens there that does not answer TLS, or the agent is overloaded")
        .hint("check that the port is the agent's; --timeout waits longer")
    }

    pub(crate) fn nameless(host: &Host, address: SocketAddr) -> Failure {
        Failure::new(host, Stage::Identity, "nameless", format!("the certificate of {address} names nobody"))
    }

    /// A handshake that failed, or a verdict that came with the first bytes after it.
    pub(crate) fn handshake(host: &Host, address: SocketAddr, own: &Peer, error: &io::Error) -> Failure {
        match error.get_ref().and_then(|inner| inner.downcast_ref()).map(tls::explain) {
            Some((Judge::Us, reason)) => Failure::we_refuse(host, address, &reason),
            Some((Judge::Peer, reason)) => Failure::they_refuse(host, own, &reason),
            None => Failure::new(
                host,
                Stage::Tls,
                "broken",
                format!("{address} broke off the handshake: {error}"),
            )
            .because("that port is not an agent's, or the agent is overloaded")
            .hint("check the port; the agent's log says why it refused a connection"),
        }
    }

    fn we_refuse(host: &Host, address: SocketAddr, reason: &Reason) -> Failure {
        let tls = |kind, message| Failure::new(host, Stage::Tls, kind, message);
        let identity = |kind, message| Failure::new(host, Stage::Identity, kind, message);
        let reissue = "make a new identity with `controller issue` and carry it there; if its date looks right, check \
                       this machine's clock";
        match reason {
            Reason::NotTls => tls("not_tls", format!("{address} does not speak TLS"))
                .because("another service listens on that port")
                .hint("agents listen on port 5669 unless told otherwise"),
            Reason::OldTls => tls("old_tls", format!("{address} does not speak TLS 1.3"))
                .because("it is no agent, or something in between ends the TLS connection")
                .hint("connect to the agent directly"),
            Reason::NothingShared | Reason::NoCertificate => {
                tls("wrong_protocol", format!("{address} speaks TLS, but not rollcall/1"))
                    .because("another service listens on that port, or an agent of another version")
                    .hint("agents listen on port 5669 unless told otherwise")
            }
            Reason::UnknownAuthority => {
                identity("unknown_authority", format!("{address} belongs to another authority"))
                    .because("its certificate is not signed by the authority in this home")
                    .hint("name the right home with --home, or issue it an identity of this fleet")
            }
            Reason::WrongName(found) => {
                let message =
                    format!("{address} is {} `{}`, and not `{}`", found.role, found.name, host.label);
                let failure = identity("wrong_name", message);
                match &host.expected {
                    Some(_) => {
                        failure.hint("correct the address in hosts.toml, or carry the right identity there")
                    }
                    None => failure
                        .because("its certificate does not hold the address that was dialled")
                        .hint(format!(
                            "ask for `{}`, or issue it again with --address {}",
                            found.name, host.label
                        )),
                }
            }
            Reason::WrongRole => {
                identity("wrong_role", format!("{address} shows an identity that is not an agent's"))
                    .hint("start that agent with an identity that `controller issue` made")
            }
            Reason::Expired(at) => {
                let ago = human::age(Timestamp::now().duration_since(*at));
                identity("expired", format!("the certificate of {address} ended {ago} ago, at {at}"))
                    .hint(reissue)
            }
            Reason::NotYetValid(at) => {
                let ahead = human::age(at.duration_since(Timestamp::now()));
                let message = format!("the certificate of {address} begins in {ahead}, at {at}");
                let failure = identity("not_yet_valid", message);
                failure
                    .because(format!("this machine's clock is at least {ahead} behind that of the authority"))
                    .hint("set this machine's clock")
            }
            Reason::Revoked => {
                identity("revoked", format!("the certificate of {address} is revoked")).hint(reissue)
            }
            Reason::OutsideDates => {
                identity("expired", format!("the certificate of {address} is outside of its dates"))
                    .hint(reissue)
            }
            Reason::Other(what) => tls("failed", format!("the handshake with {address} failed: {what}"))
                .hint("the agent's log may say more"),
        }
    }

    fn they_refuse(host: &Host, own: &Peer, reason: &Reason) -> Failure {
        let tls = |kind, message: &str| Failure::new(host, Stage::Tls, kind, message);
        let identity = |kind, message: &str| Failure::new(host, Stage::Identity, kind, message);
        match reason {
            Reason::OutsideDates => Failure::outside_dates(host, own, Timestamp::now()),
            Reason::UnknownAuthority => identity(
                "refused_authority",
                "the agent belongs to another authority and refused this identity",
            )
            .hint("name the right home with --home, or issue the agent an identity of this fleet"),
            Reason::NoCertificate => identity("no_certificate", "the agent demands an identity and got none")
                .hint("make one with `controller init`"),
            Reason::WrongRole => {
                identity("refused_role", "the agent refused this identity: it is not a controller's")
                    .hint("use the identity that `controller init` made")
            }
            Reason::Revoked => identity("refused_revoked", "the agent refused this identity: it is revoked")
                .hint("ask whoever keeps the authority for a new one"),
            Reason::OldTls => tls("old_tls", "the other side does not take TLS 1.3")
                .because("another service listens on that port")
                .hint("agents listen on port 5669 unless told otherwise"),
            Reason::NothingShared => tls("wrong_protocol", "the other side speaks TLS, but not rollcall/1")
                .because("another service listens on that port, or an agent of another version")
                .hint("agents listen on port 5669 unless told otherwise"),
            other => tls("refused", &format!("the agent ended the handshake: {other:?}"))
                .hint("the agent's log says why it refused a connection"),
        }
    }

    /// The agent says only that this side's certificate is outside of its dates. Its own dates tell which clock is off.
    fn outside_dates(host: &Host, own: &Peer, now: Timestamp) -> Failure {
        let failure = |kind, message: String| Failure::new(host, Stage::Identity, kind, message);
        let renew = "ask whoever keeps the authority for a new identity";
        if now > own.not_after {
            let ago = human::age(now.duration_since(own.not_after));
            return failure(
                "own_expired",
                format!("your own certificate ended {ago} ago, at {}", own.not_after),
            )
            .hint(renew);
        }
        if now < own.not_before {
            let ahead = human::age(own.not_before.duration_since(now));
            return failure("own_not_yet_valid", format!("your own certificate begins in {ahead}"))
                .because("this machine's clock is behind")
                .hint("set this machine's clock");
        }
        let (behind, ahead) = (now.duration_since(own.not_before), own.not_after.duration_since(now));
        failure(
            "clock",
            "the agent's clock is wrong: by it, your certificate is outside of its dates".to_owned(),
        )
        .because(format!(
            "by this machine's clock it is valid, so the agent's is at least {} behind or {} ahead",
            human::age(behind),
            human::age(ahead)
        ))
        .hint("set the clock of the machine that is wrong")
    }

    pub(crate) fn refused(host: &Host, refusal: &Refusal) -> Failure {
        let kind = serde_json::to_value(refusal.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or("other");
        Failure::new(host, Stage::Request, kind, format!("refused: {}", refusal.message))
            .hint(refusal.hint.clone())
    }

    pub(crate) fn no_answer(host: &Host, limit: Duration, begun: bool) -> Failure {
        let message = if begun {
            format!("the answer began and did not end within {limit:?}")
        } else {
            format!("no answer within {limit:?}")
        };
        Failure::new(host, Stage::Request, "timed_out", message).hint("ask again; --timeout waits longer")
    }

    pub(crate) fn not_taken(host: &Host, limit: Duration) -> Failure {
        Failure::new(
            host,
            Stage::Request,
            "timed_out",
            format!("the agent did not take the request within {limit:?}"),
        )
        .hint("ask again; --timeout waits longer")
    }

    pub(crate) fn ended(host: &Host) -> Failure {
        Failure::new(host, Stage::Request, "ended", "the agent ended the connection without an answer")
            .hint("the agent's log says why; it may have been stopped")
    }

    pub(crate) fn torn(host: &Host, begun: bool) -> Failure {
        let message = if begun {
            "the connection was cut in the middle of an answer"
        } else {
            "the connection was cut before an answer came"
        };
        Failure::new(host, Stage::Request, "cut", message)
            .hint("the agent or the network between may have failed; ask again")
    }

    pub(crate) fn broken(host: &Host, error: &io::Error) -> Failure {
        Failure::new(host, Stage::Request, "broken", format!("the connection broke: {error}"))
            .hint("the agent or the network between may have failed; ask again")
    }

    pub(crate) fn nonsense(host: &Host, what: &str) -> Failure {
        // The library quotes what it found, and that can be megabytes.
        let what: String = what.chars().take(200).collect();
        Failure::new(host, Stage::Request, "nonsense", format!("what came is no answer: {what}"))
            .because("the agent is of another version, or is not to be trusted")
            .hint("compare `controller --version` with `agent --version` there")
    }

    pub(crate) fn changed_echo(host: &str, sent: usize, got: usize) -> Failure {
        Failure {
            host: host.to_owned(),
            stage: Stage::Request,
            kind: "changed".to_owned(),
            message: format!("{sent} bytes were sent, and {got} other bytes came back"),
            why: "the agent is faulty, or is not to be trusted".to_owned(),
            hint: "compare `controller --version` with `agent --version` there".to_owned(),
        }
    }
}
