//! Who sees that each request leaves its record: one witness a connection, one guard a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certs::Peer;
use protocol::frame::Frame;
use protocol::message::Outcome;
use protocol::{Answer, Kind};

use super::record::{self, Told};
use super::{Audit, Entry, What};

/// A request and what became of it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) witness: Arc<Witness>,
    pub(super) sent: Sent,
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) items: u64,
    pub(super) ending: Ending,
}

/// What a peer asked: as it came, or told in short where it is too much to hold.
#[derive(Debug)]
pub(super) enum Sent {
    AsItCame(Frame),
    Told(Box<Told>),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// The connection was gone first.
    Cut,
    Answered,
    /// A stream came to its end.
    Ended,
    Refused(Kind),
}

/// Sees what a peer asks on one connection.
#[derive(Debug)]
pub(crate) struct Witness {
    audit: Audit,
    pub(crate) peer: Arc<Peer>,
    /// What a record says of the peer, written once for all of the connection's records.
    pub(super) words: Vec<u8>,
}

impl Witness {
    pub(crate) fn new(audit: Audit, peer: Arc<Peer>, from: SocketAddr) -> Arc<Witness> {
        let words = record::peer_words(&peer, from);
        Arc::new(Witness { audit, peer, words })
    }

    /// Sees a request. What becomes of it is recorded when what is returned is dropped.
    pub(crate) fn asked(self: &Arc<Witness>, sent: Frame) -> Asked {
        Asked(self.audit.shared.is_some().then(|| {
            let request = Request {
                witness: Arc::clone(self),
                sent: Sent::AsItCame(sent),
                began: Instant::now(),
                took: Duration::ZERO,
                items: 0,
                ending: Ending::Cut,
            };
            Entry::now(What::Request(request))
        }))
    }
}

/// A request that is being answered: however it ends, it leaves exactly one record.
#[derive(Debug)]
pub(crate) struct Asked(Option<Entry>);

impl Asked {
    /// Sees a step of the answer.
    pub(crate) fn see(&mut self, outcome: &Outcome<Answer>) {
        let Some(Entry { what: What::Request(request), .. }) = &mut self.0 else { return };
        match outcome {
            Outcome::Item(_) => request.items += 1,
            Outcome::Answer(_) => request.ending = Ending::Answered,
            Outcome::End => request.ending = Ending::Ended,
            Outcome::Refusal(refusal) => request.ending = Ending::Refused(refusal.kind),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(mut entry) = self.0.take() else { return };
        if let What::Request(request) = &mut entry.what {
            request.took = request.began.elapsed();
            let audit = request.witness.audit.clone();
            audit.record(entry);
        }
    }
}
