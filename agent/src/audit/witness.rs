//! Who sees that each request leaves its record: one witness a connection, one guard a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use certs::Peer;
use jiff::Timestamp;
use protocol::frame::Frame;
use protocol::message::Outcome;
use protocol::requests::run::Ended;
use protocol::{Answer, Kind};

use super::record::Program;
use super::{Audit, record};

/// Sees what a peer asks on one connection.
#[derive(Debug)]
pub(crate) struct Witness {
    audit: Audit,
    pub(crate) peer: Arc<Peer>,
    /// What the words of each of its records begin with.
    words: String,
}

impl Witness {
    pub(crate) fn new(audit: Audit, peer: Arc<Peer>, from: SocketAddr) -> Arc<Witness> {
        let words = record::peer_words(&peer, from);
        Arc::new(Witness { audit, peer, words })
    }

    /// Sees a request. What becomes of it is recorded when what is returned is dropped.
    pub(crate) fn asked(self: &Arc<Witness>, sent: Frame) -> Asked {
        Asked(self.audit.shared.is_some().then(|| Request {
            witness: Arc::clone(self),
            sent,
            at: Timestamp::now(),
            began: Instant::now(),
            items: 0,
            program: None,
            started: None,
            ending: Ending::Cut,
        }))
    }
}

/// A request that is being answered: however it ends, it leaves exactly one record.
#[derive(Debug)]
pub(crate) struct Asked(Option<Request>);

#[derive(Debug)]
struct Request {
    witness: Arc<Witness>,
    sent: Frame,
    at: Timestamp,
    began: Instant,
    items: u64,
    /// How the program ended that was started for it.
    program: Option<Ended>,
    started: Option<Started>,
    ending: Ending,
}

/// Whether a program has been started for a request: who starts it notes that, and the record tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Started(Arc<AtomicBool>);

impl Started {
    pub(crate) fn note(&self, is_so: bool) {
        self.0.store(is_so, Ordering::Relaxed);
    }

    fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    /// The connection was gone first.
    Cut,
    Answered,
    /// A stream came to its end.
    Ended,
    Refused(Kind),
}

impl Asked {
    /// For whoever starts a program for it.
    pub(crate) fn started(&mut self) -> Started {
        let request = self.0.as_mut();
        request.map_or_else(Started::default, |request| request.started.get_or_insert_default().clone())
    }

    /// Sees a step of the answer.
    pub(crate) fn see(&mut self, outcome: &Outcome<Answer>) {
        let Some(request) = &mut self.0 else { return };
        match outcome {
            Outcome::Item(_) => request.items += 1,
            Outcome::Answer(_) => request.ending = Ending::Answered,
            Outcome::End => request.ending = Ending::Ended,
            Outcome::Refusal(refusal) => request.ending = Ending::Refused(refusal.kind),
        }
        if let Outcome::Answer(answer) | Outcome::Item(answer) = outcome {
            request.program = answer.program().or(request.program);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(Request { witness, sent, at, began, items, program, started, ending }) = self.0.take()
        else {
            return;
        };
        let program = match program {
            Some(ended) => Some(Program::Ended(ended)),
            None => started.filter(Started::is_so).map(|_| Program::Started),
        };
        let took = began.elapsed();
        let (outcome, kind) = match ending {
            Ending::Cut => ("cut", None),
            Ending::Answered => ("answered", None),
            Ending::Ended => ("ended", None),
            Ending::Refused(kind) => ("refused", Some(kind)),
        };
        witness.audit.record(at, |words| {
            words.push_str(&witness.words);
            record::put_request(words, &sent);
            record::put_outcome(words, outcome, kind, items, took);
            record::put_program(words, program);
        });
    }
}
