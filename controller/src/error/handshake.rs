//! A failed handshake in words: whose judgement it was, and what that person can do.

use std::io;
use std::net::SocketAddr;

use certs::Peer;
use certs::tls::{self, Judge, Reason};
use jiff::Timestamp;

use super::{Failure, Stage};
use crate::hosts::Host;
use crate::output::human;

const REISSUE: &str = "make a new identity with `controller issue` and carry it there; if its date looks right, check this \
                       machine's clock";
const USUAL_PORT: &str = "agents listen on port 5669 unless told otherwise";

impl Failure {
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
        match reason {
            Reason::NotTls => tls("not_tls", format!("{address} does not speak TLS"))
                .because("another service listens on that port")
                .hint(USUAL_PORT),
            Reason::OldTls => tls("old_tls", format!("{address} does not speak TLS 1.3"))
                .because("it is no agent, or something in between ends the TLS connection")
                .hint("connect to the agent directly"),
            Reason::NothingShared | Reason::NoCertificate => {
                tls("wrong_protocol", format!("{address} speaks TLS, but not rollcall/1"))
                    .because("another service listens on that port, or an agent of another version")
                    .hint(USUAL_PORT)
            }
            Reason::Other(what) => tls("failed", format!("the handshake with {address} failed: {what}"))
                .hint("the agent's log may say more"),
            about_identity => Failure::we_disbelieve(host, address, about_identity),
        }
    }

    fn we_disbelieve(host: &Host, address: SocketAddr, reason: &Reason) -> Failure {
        let identity = |kind, message| Failure::new(host, Stage::Identity, kind, message);
        let its = format!("the certificate of {address}");
        match reason {
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
            Reason::Nameless => identity("nameless", format!("{its} does not name one identity"))
                .hint("start that agent with an identity that `controller issue` made"),
            Reason::Expired(at) => {
                let ago = human::age(Timestamp::now().duration_since(*at));
                identity("expired", format!("{its} ended {ago} ago, at {at}")).hint(REISSUE)
            }
            Reason::NotYetValid(at) => {
                let ahead = human::age(at.duration_since(Timestamp::now()));
                identity("not_yet_valid", format!("{its} begins in {ahead}, at {at}"))
                    .because(format!("this machine's clock is at least {ahead} behind that of the authority"))
                    .hint("set this machine's clock")
            }
            Reason::Revoked => identity("revoked", format!("{its} is revoked")).hint(REISSUE),
            _ => identity("expired", format!("{its} is outside of its dates")).hint(REISSUE),
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
            Reason::Nameless => {
                identity("refused_nameless", "the agent refused this identity: it does not name one")
                    .hint("use the identity that `controller init` made")
            }
            Reason::Revoked => identity("refused_revoked", "the agent refused this identity: it is revoked")
                .hint("ask whoever keeps the authority for a new one"),
            Reason::OldTls => tls("old_tls", "the other side does not take TLS 1.3")
                .because("another service listens on that port")
                .hint(USUAL_PORT),
            Reason::NothingShared => tls("wrong_protocol", "the other side speaks TLS, but not rollcall/1")
                .because("another service listens on that port, or an agent of another version")
                .hint(USUAL_PORT),
            other => tls("refused", &format!("the agent ended the handshake: {other:?}"))
                .hint("the agent's log says why it refused a connection"),
        }
    }

    /// An open connection is worth no more than the certificate it began with.
    pub(crate) fn ended_meanwhile(host: &Host, peer: &Peer) -> Failure {
        let message =
            format!("the agent's certificate ended at {}, while the connection was open", peer.not_after);
        Failure::new(host, Stage::Identity, "expired", message).hint(REISSUE)
    }

    /// The agent says only that this side's certificate is outside of its dates. Its own dates tell which clock is off.
    fn outside_dates(host: &Host, own: &Peer, now: Timestamp) -> Failure {
        let failure = |kind, message: String| Failure::new(host, Stage::Identity, kind, message);
        let renew = "where the authority is kept, move identity.pem away and run `controller init` again";
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use certs::{Algorithm, Authority, Grant, Identity, Validity};
    use jiff::SignedDuration;

    /// In TLS 1.3 the agent says no more than that the dates are wrong: this side's own dates tell the rest.
    #[test]
    fn whose_clock_is_wrong_is_told_by_our_own_dates() {
        let host = Host { label: "web-1".to_owned(), expected: None, endpoints: Vec::new() };
        let now = Timestamp::now();
        let hours = SignedDuration::from_hours;
        let identity = Identity::controller("alice".parse().unwrap());
        let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let issued = authority.issue(Algorithm::Ed25519, &grant).unwrap();
        let own = |from, until| Peer {
            not_before: now + hours(from),
            not_after: now + hours(until),
            ..issued.own().clone()
        };
        let told = |own: &Peer| Failure::outside_dates(&host, own, now);
        assert_eq!(told(&own(-50, -26)).kind, "own_expired");
        assert!(told(&own(-50, -26)).message.contains("ended 1 d 2 h ago"));
        assert_eq!(told(&own(26, 50)).kind, "own_not_yet_valid");
        let clock = told(&own(-3, 49));
        assert_eq!(clock.kind, "clock");
        assert!(clock.why.contains("at least 3 h 0 min behind or 2 d 1 h ahead"), "{}", clock.why);
    }
}
