//! The deadlines of one session: which comes next, and what it is for.

use std::time::Duration;

use certs::Peer;
use jiff::Timestamp;
use protocol::Refusal;
use tokio::time::Instant;

use super::Ended;
use crate::config::Limits;

/// What a session waits for next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Due {
    RestOfFrame,
    Activity,
    Certificate,
}

/// When things happened, and when the next must have.
pub(super) struct Clock {
    pub(super) quiet_since: Instant,
    pub(super) frame_began: Option<Instant>,
    certificate_ends: Instant,
}

impl Clock {
    pub(super) fn new(peer: &Peer) -> Clock {
        let now = Instant::now();
        let left = Duration::try_from(peer.not_after.duration_since(Timestamp::now())).unwrap_or_default();
        Clock { quiet_since: now, frame_began: None, certificate_ends: now + left }
    }

    /// The wall clock may have been set since: what it says counts for every step of a connection.
    pub(super) fn check_certificate(&self, peer: &Peer) -> Result<(), Ended> {
        if Timestamp::now() > peer.not_after {
            return Err(Ended::Refused(Refusal::certificate_ended(peer.not_after)));
        }
        Ok(())
    }

    pub(super) fn deadline(&self, limits: &Limits, is_busy: bool) -> (Instant, Due) {
        let (at, due) = match self.frame_began {
            Some(began) => (began + limits.rest_of_frame, Due::RestOfFrame),
            None if is_busy => (self.certificate_ends, Due::Certificate),
            None => (self.quiet_since + limits.idle, Due::Activity),
        };
        if at < self.certificate_ends { (at, due) } else { (self.certificate_ends, Due::Certificate) }
    }
}
