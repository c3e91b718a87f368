//! A failed handshake in words: whose judgement it was, and what that person can do.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use certs::Peer;
use certs::tls::{self, Judge, Reason};
use jiff::Timestamp;

use super::{Failure, Kind};
use crate::expiry::RENEW_OWN;
use crate::hosts::Host;
use crate::output::human;

const REISSUE: &str = "have the machine adopted anew, with `agent reset` and `agent code` there; or make it a new identity with \
                       `controller issue` and carry it there";
/// What mends an identity that is not a controller's.
pub(crate) const USE_YOUR_OWN: &str =
    "use the identity that `controller init` made, or name its home with --home";
const OWN_OF_AN_AGENT: &str = "start that agent with an identity that `controller issue` made";
/// Also what a difference between clocks is mended with that does no harm yet.
pub(crate) const SET_A_CLOCK: &str = "compare `date -u` on both machines and set the clock that is wrong; `timedatectl set-ntp true` keeps it right";
const SET_THIS_CLOCK: &str = "set this machine's clock; `timedatectl set-ntp true` keeps it right";
const USUAL_PORT: &str = "agents listen on port 5669 unless told otherwise";

const OTHER_AUTHORITY: &str = "name the right home with --home, or issue it an identity of this fleet; after \
                               `authority rotate`, take a new certificate of your own";

impl Failure {
    /// A handshake that failed, or a verdict that came with the first bytes after it.
    pub fn handshake(host: &Host, address: SocketAddr, own: &Peer, error: &io::Error) -> Failure {
        match error.get_ref().and_then(|inner| inner.downcast_ref()).map(tls::explain) {
            Some((Judge::Us, reason)) => Failure::we_refuse(host, address, &reason),
            Some((Judge::Peer, reason)) => Failure::they_refuse(host, own, &reason),
            None => Failure::new(
                host,
                Kind::HandshakeBroken,
                format!("{address} broke off the handshake: {error}"),
            )
            .because("that port is not an agent's, or the agent is overloaded")
            .hint("check the port; the agent's log says why it refused a connection"),
        }
    }

    fn we_refuse(host: &Host, address: SocketAddr, reason: &Reason) -> Failure {
        let failure = |kind, message| Failure::new(host, kind, message);
        match reason {
            Reason::NotTls => failure(Kind::NotTls, format!("{address} does not speak TLS"))
                .because("another service listens on that port")
                .hint(USUAL_PORT),
            Reason::OldTls => failure(Kind::OldTls, format!("{address} does not speak TLS 1.3"))
                .because("it is no agent, or something in between ends the TLS connection")
                .hint("connect to the agent directly"),
            Reason::NothingShared | Reason::NoCertificate => Failure::wrong_protocol(host, &address),
            Reason::Other(what) => {
                failure(Kind::HandshakeFailed, format!("the handshake with {address} failed: {what}"))
                    .hint("the agent's log may say more")
            }
            about_identity => Failure::we_disbelieve(host, address, about_identity),
        }
    }

    /// TLS, and on it nothing that both speak.
    pub(crate) fn wrong_protocol(host: &Host, who: &impl fmt::Display) -> Failure {
        Failure::new(host, Kind::WrongProtocol, format!("{who} speaks TLS, but not rollcall/1"))
            .because("an agent waits there to be adopted, or it is another service")
            .hint(format!(
                "adopt it with `controller adopt {}`, or correct the port: {USUAL_PORT}",
                host.label
            ))
    }

    /// A certificate that was believed, and yet says nothing of its holder.
    pub(crate) fn nameless(host: &Host, address: SocketAddr) -> Failure {
        Failure::we_disbelieve(host, address, &Reason::Nameless)
    }

    /// A certificate that was revoked while its holder was talked to.
    pub(crate) fn revoked(host: &Host, address: SocketAddr) -> Failure {
        Failure::we_disbelieve(host, address, &Reason::Revoked)
    }

    fn we_disbelieve(host: &Host, address: SocketAddr, reason: &Reason) -> Failure {
        let failure = |kind, message| Failure::new(host, kind, message);
        let its = format!("the certificate of {address}");
        match reason {
            Reason::UnknownAuthority => {
                failure(Kind::UnknownAuthority, format!("{address} belongs to another authority"))
                    .because("its certificate is not signed by the authority in this home")
                    .hint(OTHER_AUTHORITY)
            }
            Reason::WrongName(found) => {
                let message =
                    format!("{address} is {} `{}`, and not `{}`", found.role, found.name, host.label);
                let misnamed = failure(Kind::WrongName, message);
                match &host.expected {
                    Some(_) => {
                        misnamed.hint("correct the address in hosts.toml, or carry the right identity there")
                    }
                    None => misnamed
                        .because("its certificate does not hold the address that was dialled")
                        .hint(format!(
                            "ask for `{}`, or issue it again with --address {}",
                            found.name, host.label
                        )),
                }
            }
            Reason::WrongRole => {
                failure(Kind::WrongRole, format!("{address} shows an identity that is not an agent's"))
                    .hint(OWN_OF_AN_AGENT)
            }
            Reason::Nameless => {
                failure(Kind::Nameless, format!("{its} does not name one identity")).hint(OWN_OF_AN_AGENT)
            }
            Reason::Expired(at) => {
                let now = Timestamp::now();
                let ago = human::age(now.duration_since(*at));
                failure(Kind::Expired, format!("{its} ended {ago} ago, at {at}"))
                    .because(clock_may_be_ahead(now))
                    .hint(format!("if the clock is right, {REISSUE}"))
            }
            Reason::NotYetValid(at) => {
                let now = Timestamp::now();
                let ahead = human::age(at.duration_since(now));
                failure(Kind::NotYetValid, format!("{its} begins in {ahead}, at {at}"))
                    .because(clock_is_behind(&ahead, now))
                    .hint(SET_THIS_CLOCK)
            }
            Reason::Revoked => failure(Kind::Revoked, format!("{its} is revoked")).hint(REISSUE),
            _ => failure(Kind::Expired, format!("{its} is outside of its dates")).hint(REISSUE),
        }
    }

    fn they_refuse(host: &Host, own: &Peer, reason: &Reason) -> Failure {
        let failure = |kind, message: &str| Failure::new(host, kind, message);
        match reason {
            Reason::OutsideDates => Failure::outside_dates(host, own, Timestamp::now()),
            Reason::UnknownAuthority => failure(
                Kind::RefusedAuthority,
                "the agent belongs to another authority and refused this identity",
            )
            .hint("name the right home with --home, or issue the agent an identity of this fleet"),
            Reason::NoCertificate => {
                failure(Kind::NoCertificate, "the agent demands an identity and got none")
                    .hint("make one with `controller init`")
            }
            Reason::WrongRole => {
                failure(Kind::RefusedRole, "the agent refused this identity: it is not a controller's")
                    .hint(USE_YOUR_OWN)
            }
            Reason::Nameless => {
                failure(Kind::RefusedNameless, "the agent refused this identity: it does not name one")
                    .hint(USE_YOUR_OWN)
            }
            Reason::Revoked => {
                failure(Kind::RefusedRevoked, "the agent refused this identity: it is revoked")
                    .hint("ask whoever keeps the authority for a new one")
            }
            Reason::OldTls => failure(Kind::OldTls, "the other side does not take TLS 1.3")
                .because("another service listens on that port")
                .hint(USUAL_PORT),
            Reason::NothingShared => Failure::wrong_protocol(host, &"the other side"),
            other => {
                let what = match other {
                    Reason::Other(what) => what.as_str(),
                    _ => "it does not say why",
                };
                failure(Kind::HandshakeRefused, &format!("the agent ended the handshake: {what}"))
                    .hint("the agent's log says why it refused a connection")
            }
        }
    }

    /// An open connection is worth no more than the certificate it began with.
    pub(crate) fn ended_meanwhile(host: &Host, peer: &Peer) -> Failure {
        let message =
            format!("the agent's certificate ended at {}, while the connection was open", peer.not_after);
        Failure::new(host, Kind::Expired, message).hint(REISSUE)
    }

    /// The agent says only that this side's certificate is outside of its dates. Its own dates tell which clock is off.
    fn outside_dates(host: &Host, own: &Peer, now: Timestamp) -> Failure {
        if let Some(ours) = Failure::own_dates(host, own, now) {
            return ours;
        }
        let mut bounds =
            [(now.duration_since(own.not_before), "behind"), (own.not_after.duration_since(now), "ahead of")];
        // The smaller fault is the likelier one.
        bounds.sort_unstable();
        let [(near, so), (far, or_so)] = bounds;
        let message = format!(
            "{}'s clock is at least {} {so} this one, or {} {or_so} it; your certificate is not valid there",
            host.label,
            human::age(near),
            human::age(far)
        );
        Failure::new(host, Kind::Clock, message)
            .because(format!("your certificate is valid by this machine's clock, which says {now:.0}"))
            .hint(SET_A_CLOCK)
    }

    /// What is wrong with one's own certificate by this machine's clock.
    pub(crate) fn own_dates(host: &Host, own: &Peer, now: Timestamp) -> Option<Failure> {
        if now > own.not_after {
            let ago = human::age(now.duration_since(own.not_after));
            let message = format!("your own certificate ended {ago} ago, at {}", own.not_after);
            let failure = Failure::new(host, Kind::OwnExpired, message);
            return Some(
                failure.because(clock_may_be_ahead(now)).hint(format!("if the clock is right, {RENEW_OWN}")),
            );
        }
        if now < own.not_before {
            let ahead = human::age(own.not_before.duration_since(now));
            let message = format!("your own certificate begins in {ahead}, at {}", own.not_before);
            let failure = Failure::new(host, Kind::OwnNotYetValid, message);
            return Some(failure.because(clock_is_behind(&ahead, now)).hint(SET_THIS_CLOCK));
        }
        None
    }
}

fn clock_is_behind(span: &str, now: Timestamp) -> String {
    format!(
        "this machine's clock is at least {span} behind that of the authority's machine: it says {now:.0}"
    )
}

fn clock_may_be_ahead(now: Timestamp) -> String {
    format!("nobody renewed it, or this machine's clock is ahead: it says {now:.0}")
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
        assert_eq!(told(&own(-50, -26)).kind, Kind::OwnExpired);
        assert!(told(&own(-50, -26)).message.contains("ended 1 d 2 h ago"));
        assert_eq!(told(&own(26, 50)).kind, Kind::OwnNotYetValid);
        let clock = told(&own(-3, 49));
        assert_eq!(clock.kind, Kind::Clock);
        assert_eq!(
            clock.message,
            "web-1's clock is at least 3 h 0 min behind this one, or 2 d 1 h ahead of it; your certificate is not valid \
             there"
        );
        let clock = told(&own(-49, 3));
        assert!(clock.message.contains("at least 3 h 0 min ahead of this one, or 2 d 1 h behind it"));
    }
}
