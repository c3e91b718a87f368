//! An entry becomes the words of a line: one JSON object, in ASCII, of a size that no peer can choose.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::SocketAddr;

use certs::Peer;
use jiff::Timestamp;
use protocol::Kind;
use protocol::chain::Hash;
use protocol::frame::Frame;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::witness::{Ending, Request, Sent};
use super::{Entry, Note, What};

/// Longer words of a request are told by size and hash.
const MAX_WORDS: usize = 1024;

/// A name of a request that is longer than this is none.
const MAX_NAME: usize = 40;

/// What a peer asked, in short.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The name that was asked for; nothing where there was none to be read.
    request: Option<String>,
    with: Option<Box<RawValue>>,
    with_digest: Option<Digest>,
    payload: Option<Digest>,
}

/// Bytes by size and hash.
#[derive(Debug, Serialize)]
struct Digest {
    bytes: usize,
    sha256: Hash,
}

impl Digest {
    fn of(bytes: &[u8]) -> Digest {
        Digest { bytes: bytes.len(), sha256: Hash::of(bytes) }
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    ask: Cow<'a, str>,
    #[serde(borrow)]
    with: Option<&'a RawValue>,
}

impl Told {
    pub(super) fn of(frame: &Frame) -> Told {
        let payload = (!frame.tail.is_empty()).then(|| Digest::of(&frame.tail));
        let Ok(head) = serde_json::from_slice::<Head<'_>>(&frame.head) else {
            return Told { with_digest: Some(Digest::of(&frame.head)), payload, ..Told::default() };
        };
        // The lines of the log are plain text, whatever a peer calls a request.
        let plain = |letter: char| if letter.is_ascii_graphic() { letter } else { '?' };
        let request = Some(head.ask.chars().take(MAX_NAME).map(plain).collect());
        let words = head.with.map(RawValue::get).filter(|words| *words != "{}");
        let fitting = words.filter(|words| words.len() <= MAX_WORDS).and_then(one_line);
        let with_digest = words.filter(|_| fitting.is_none()).map(|words| Digest::of(words.as_bytes()));
        Told { request, with: fitting, with_digest, payload }
    }
}

/// The same JSON on one line and in ASCII, so that whoever looks at the file sees what is there.
fn one_line(words: &str) -> Option<Box<RawValue>> {
    let mut line = String::with_capacity(words.len());
    for character in words.chars() {
        match character {
            // Between JSON's words all of these are blanks, and inside of its strings they cannot be.
            '\n' | '\r' | '\t' => line.push(' '),
            ' '..='~' => line.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(line, "\\u{unit:04x}").ok()?;
                }
            }
        }
    }
    RawValue::from_string(line).ok()
}

/// The words of a line, in the order in which they are written.
#[derive(Serialize, Default)]
struct Words<'a> {
    at: Timestamp,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// What a request adds to the words above and those of its peer.
#[derive(Serialize)]
struct RequestWords<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    with_digest: Option<&'a Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a Digest>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<u64>,
    took_seconds: f64,
}

/// Writes the words of an entry to `out`, in place of what is there.
pub(super) fn put(out: &mut Vec<u8>, entry: &Entry) -> serde_json::Result<()> {
    out.clear();
    let at = entry.at;
    match &entry.what {
        What::Request(request) => put_request(out, at, request),
        What::Note(note) => serde_json::to_writer(out, &of_note(at, note)),
        What::Strangers(sum) => {
            let (count, sources, since) = (Some(sum.count), Some(sum.sources), Some(sum.since));
            let event = "connections_refused";
            serde_json::to_writer(out, &Words { at, event, count, sources, since, ..Words::default() })
        }
        What::Lost(count) => {
            let why = Some("there was no room for them while the log could not be written");
            let count = Some(*count);
            serde_json::to_writer(out, &Words { at, event: "records_lost", count, why, ..Words::default() })
        }
    }
}

fn of_note(at: Timestamp, note: &Note) -> Words<'_> {
    Words {
        at,
        event: note.event,
        identity: note.identity.as_deref(),
        serial: note.serial.as_deref(),
        address: note.address,
        why: note.why.as_deref(),
        ..Words::default()
    }
}

fn put_request(out: &mut Vec<u8>, at: Timestamp, request: &Request) -> serde_json::Result<()> {
    let told_now;
    let told = match &request.sent {
        Sent::Told(told) => told,
        Sent::AsItCame(frame) => {
            told_now = Told::of(frame);
            &told_now
        }
    };
    let (outcome, kind) = match request.ending {
        Ending::Cut => ("cut", None),
        Ending::Answered => ("answered", None),
        Ending::Ended => ("ended", None),
        Ending::Refused(kind) => ("refused", Some(kind)),
    };
    serde_json::to_writer(&mut *out, &Words { at, event: "request", ..Words::default() })?;
    let words = RequestWords {
        request: told.request.as_deref(),
        with: told.with.as_deref(),
        with_digest: told.with_digest.as_ref(),
        payload: told.payload.as_ref(),
        outcome,
        kind,
        items: (request.items > 0).then_some(request.items),
        took_seconds: request.took.as_secs_f64(),
    };
    join(out, |out| {
        out.extend_from_slice(&request.witness.words);
        Ok(())
    })?;
    join(out, |out| serde_json::to_writer(out, &words))
}

/// What a record says of a peer: an object, to be joined with others.
pub(super) fn peer_words(peer: &Peer, from: SocketAddr) -> Vec<u8> {
    let (identity, serial) = (peer.identity.to_string(), peer.serial.to_string());
    // Names, digits and addresses: JSON takes them as they are.
    format!(r#"{{"identity":"{identity}","serial":"{serial}","address":"{from}"}}"#).into_bytes()
}

/// Makes one object of the one that ends `out` and the one that `put` appends. Neither is empty.
fn join(
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    out.pop();
    let brace = out.len();
    put(out)?;
    out[brace] = b',';
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn told(head: &str, tail: &'static [u8]) -> serde_json::Value {
        let frame = Frame { head: Bytes::from(head.to_owned()), tail: Bytes::from_static(tail) };
        let Told { request, with, with_digest, payload } = Told::of(&frame);
        let (with_digest, payload) = (with_digest.as_ref(), payload.as_ref());
        let words = RequestWords {
            request: request.as_deref(),
            with: with.as_deref(),
            with_digest,
            payload,
            outcome: "answered",
            kind: None,
            items: None,
            took_seconds: 0.0,
        };
        let line = serde_json::to_string(&words).unwrap();
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn what_was_asked_is_told_as_it_was_sent_and_on_one_line() {
        let words = told("{\"id\":1,\"ask\":\"info\",\n\t\"with\":{\"sections\" :\r\n[\"cpu\"]}}", b"");
        assert_eq!((&words["request"], &words["with"]["sections"][0]), (&"info".into(), &"cpu".into()));
        let words = told("{\"id\":1,\"ask\":\"x\",\"with\":{\"a\":\"\u{202e}\u{9b}\u{1f600}\u{7f}\"}}", b"");
        assert_eq!(words["with"]["a"], "\u{202e}\u{9b}\u{1f600}\u{7f}");
        let words = told(r#"{"id":1,"ask":"echo","with":{}}"#, b"hello");
        assert_eq!(words["payload"]["bytes"], 5);
        assert_eq!(
            words["payload"]["sha256"],
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
        assert!(words.get("with").is_none());
    }

    #[test]
    fn what_is_too_long_or_cannot_be_read_is_told_by_size_and_hash() {
        let long = format!(
            "{{\"id\":1,\"ask\":\"{}\",\"with\":{{\"a\":\"{}\"}}}}",
            "n".repeat(99),
            "x".repeat(2000)
        );
        let words = told(&long, b"");
        assert_eq!(words["request"], "n".repeat(MAX_NAME));
        assert_eq!(
            told("{\"id\":1,\"ask\":\"é\\u202e\\u001b x\"}", b"")["request"],
            "????x",
            "plain text alone"
        );
        assert_eq!((&words["with_digest"]["bytes"], words.get("with")), (&2008.into(), None));
        let words = told("{\"ask\":", b"");
        assert_eq!((&words["with_digest"]["bytes"], words.get("request")), (&7.into(), None));
    }
}
