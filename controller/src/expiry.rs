//! Certificates that end soon: how soon is soon, and what to do about it.

use certs::{Peer, Role};
use jiff::{SignedDuration, Timestamp};

use crate::output::human::age;

/// What renews one's own identity.
pub(crate) const RENEW_OWN: &str =
    "where the authority is kept, move identity.pem away and run `controller init` again";

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

#[cfg(test)]
mod tests {
    use super::*;
    use certs::{Algorithm, Authority, Grant, Identity, Validity};

    #[test]
    fn soon_is_two_weeks_or_the_last_third() {
        let now = Timestamp::now();
        let hours = SignedDuration::from_hours;
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let peer = |identity: &str, past: i64, left: i64| {
            let validity = Validity { not_before: now - hours(past), not_after: now + hours(left) };
            let identity: Identity = identity.parse().unwrap();
            let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity };
            authority.issue(Algorithm::Ed25519, &grant).unwrap().own().clone()
        };
        let day = 24;
        for (past, left, is_soon) in [
            (351 * day, 14 * day + 1, false),
            (351 * day, 14 * day - 1, true),
            (28 * day, 14 * day + 1, false),
            (15, 9, false),
            (17, 7, true),
            (24, -1, false),
        ] {
            let ending = Ending::of(&peer("rollcall://agent/web-1", past, left), "web-1", now);
            assert_eq!(ending.is_some(), is_soon, "{past} h old, {left} h left");
        }
        let of = |identity| {
            Ending::of(&peer(identity, 351 * day, 147), "192.0.2.7", now + SignedDuration::from_secs(-1))
                .unwrap()
                .remark()
        };
        assert_eq!(
            of("rollcall://agent/web-1"),
            "web-1's certificate ends in 6 d 3 h; renew it with: controller renew 192.0.2.7"
        );
        assert_eq!(
            of("rollcall://controller/alice"),
            "your own certificate ends in 6 d 3 h; to renew it, where the authority is kept, move identity.pem away and \
             run `controller init` again"
        );
    }
}
