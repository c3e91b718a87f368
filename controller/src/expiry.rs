//! Certificates that end soon: how soon is soon, and what to do about it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use certs::{Peer, Role, Serial};
use jiff::{SignedDuration, Timestamp};

use crate::output::human::age;

/// What renews one's own identity.
pub(crate) const RENEW_OWN: &str = "move identity.pem away and run `controller init` again, or, where the authority is not kept, \
                                    `controller operator request`";

/// Nobody wants to be told of a certificate's end before this.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A certificate that ends soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Whose, and in how long.
    pub(crate) what: String,
    /// What renews it.
    pub(crate) hint: String,
}

impl Ending {
    /// Whether this certificate ends soon: in two weeks, or, where it is a short one, in the last third of its life.
    /// `host` is what the person called the agent.
    pub(crate) fn of(peer: &Peer, host: &str, now: Timestamp) -> Option<Ending> {
        let life = peer.not_after.duration_since(peer.not_before);
        let left = peer.not_after.duration_since(now);
        // That one has ended is for the handshake to tell.
        if left.is_negative() || left >= SOON.min(life / 3) {
            return None;
        }
        let (whose, hint) = match peer.identity.role {
            Role::Agent => {
                (format!("{}'s", peer.identity.name), format!("renew it with: controller renew {host}"))
            }
            Role::Controller => ("your own".to_owned(), format!("to renew it, {RENEW_OWN}")),
        };
        Some(Ending { what: format!("{whose} certificate ends in {}", age(left)), hint })
    }

    /// As a remark beside an answer.
    pub(crate) fn remark(&self) -> String {
        format!("{}; {}", self.what, self.hint)
    }
}

/// The certificates of whose end the person knows. However often one is met, once is enough.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<BTreeSet<Serial>>);

impl Told {
    /// Whether this certificate is to be told of now.
    pub(crate) fn is_news(&self, certificate: &Peer) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(certificate.serial.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use certs::{Algorithm, Authority, Grant, Identity, Validity};

    const DAY: i64 = 24;

    /// A certificate that is so many hours old, and has so many left.
    fn peer(identity: &str, past: i64, left: i64) -> Peer {
        let (now, hours) = (Timestamp::now(), SignedDuration::from_hours);
        let validity = Validity { not_before: now - hours(past), not_after: now + hours(left) };
        let identity: Identity = identity.parse().unwrap();
        let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity };
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        authority.issue(Algorithm::Ed25519, &grant).unwrap().own().clone()
    }

    #[test]
    fn one_certificate_is_told_of_once() {
        let told = Told::default();
        let (one, other) = (peer("rollcall://agent/web-1", 1, 1), peer("rollcall://agent/web-1", 1, 1));
        assert!(told.is_news(&one) && told.is_news(&other));
        assert!(!told.is_news(&one) && !told.is_news(&other));
    }

    #[test]
    fn soon_is_two_weeks_or_the_last_third() {
        let now = Timestamp::now();
        for (past, left, is_soon) in [
            (351 * DAY, 14 * DAY + 1, false),
            (351 * DAY, 14 * DAY - 1, true),
            (28 * DAY, 14 * DAY + 1, false),
            (15, 9, false),
            (17, 7, true),
            (24, -1, false),
        ] {
            let ending = Ending::of(&peer("rollcall://agent/web-1", past, left), "web-1", now);
            assert_eq!(ending.is_some(), is_soon, "{past} h old, {left} h left");
        }
    }

    #[test]
    fn it_says_what_renews_it() {
        let remark = |identity| {
            let certificate = peer(identity, 351 * DAY, 148);
            Ending::of(&certificate, "192.0.2.7", Timestamp::now()).unwrap().remark()
        };
        assert_eq!(
            remark("rollcall://agent/web-1"),
            "web-1's certificate ends in 6 d 3 h; renew it with: controller renew 192.0.2.7"
        );
        assert_eq!(
            remark("rollcall://controller/alice"),
            "your own certificate ends in 6 d 3 h; to renew it, move identity.pem away and run `controller init` again, \
             or, where the authority is not kept, `controller operator request`"
        );
    }
}
