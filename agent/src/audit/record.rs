//! What happened becomes the words of a line: the inside of a JSON object, in ASCII, of a size that no peer can choose. Those
//! of requests are put together by hand, since every request pays for them.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use certs::Peer;
use jiff::Timestamp;
use protocol::Kind;
use protocol::chain::Hash;
use protocol::frame::Frame;
use protocol::requests::run::Ended;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Longer words of a request are told by size and hash.
const MAX_WORDS: usize = 1024;

/// A name of a request that is longer than this is none.
const MAX_NAME: usize = 40;

const MICROS_IN_SECOND: usize = 6;

/// What happened and is no request, in the order in which it is written. What does not apply stays empty.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Note {
    /// Such as `started`.
    pub(crate) event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sources: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// More about it, in the agent's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

impl Note {
    /// About somebody with a certificate.
    pub(crate) fn of(peer: &Peer) -> Note {
        let (identity, serial) = (peer.identity.to_string(), peer.serial.to_string());
        Note { identity: Some(identity), serial: Some(serial), ..Note::default() }
    }

    pub(super) fn lost(count: u64) -> Note {
        let why = "there was no room for them while the log could not be written".to_owned();
        Note { event: "records_lost", count: Some(count), why: Some(why), ..Note::default() }
    }

    pub(super) fn put(&self, out: &mut String) {
        // Text, numbers and times: nothing of it can fail to become JSON.
        let object = serde_json::to_string(self).unwrap_or_default();
        out.push_str(object.strip_prefix('{').and_then(|words| words.strip_suffix('}')).unwrap_or_default());
    }
}

/// What the words of each request of a connection begin with.
pub(super) fn peer_words(peer: &Peer, from: SocketAddr) -> String {
    let (identity, serial) = (&peer.identity, &peer.serial);
    // Names, digits and addresses: JSON takes them as they are.
    format!(r#""event":"request","identity":"{identity}","serial":"{serial}","address":"{from}""#)
}

/// What was asked.
pub(super) fn put_request(out: &mut String, sent: &Frame) {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        ask: Cow<'a, str>,
        #[serde(borrow)]
        with: Option<&'a RawValue>,
    }
    match serde_json::from_slice::<Head<'_>>(&sent.head) {
        Ok(head) => {
            out.push_str(",\"request\":\"");
            out.extend(head.ask.chars().take(MAX_NAME).map(plain));
            out.push('"');
            match head.with.map(RawValue::get) {
                None | Some("{}") => {}
                Some(words) if words.len() <= MAX_WORDS && can_be_read(words) => {
                    out.push_str(",\"with\":");
                    put_on_one_line(out, words);
                }
                Some(words) => put_digest(out, "with_digest", words.as_bytes()),
            }
        }
        Err(_) => put_digest(out, "with_digest", &sent.head),
    }
    if !sent.tail.is_empty() {
        put_digest(out, "payload", &sent.tail);
    }
}

/// What became of a request.
pub(super) fn put_outcome(out: &mut String, outcome: &str, kind: Option<Kind>, items: u64, took: Duration) {
    out.push_str(",\"outcome\":\"");
    out.push_str(outcome);
    out.push('"');
    if let Some(kind) = kind {
        out.push_str(",\"kind\":");
        out.push_str(&serde_json::to_string(&kind).unwrap_or_default());
    }
    if items > 0 {
        out.push_str(",\"items\":");
        put_number(out, items, 1);
    }
    out.push_str(",\"took_seconds\":");
    put_number(out, took.as_secs(), 1);
    out.push('.');
    put_number(out, took.subsec_micros().into(), MICROS_IN_SECOND);
}

/// What is known of a program that was started for a request.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Program {
    /// The request was over first.
    Started,
    #[serde(untagged)]
    Ended(Ended),
}

/// What became of the program that was started for a request.
pub(super) fn put_program(out: &mut String, program: Option<Program>) {
    if let Some(program) = program {
        out.push_str(",\"program\":");
        out.push_str(&serde_json::to_string(&program).unwrap_or_default());
    }
}

/// Writes times, and looks up the calendar once a second.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    second: Timestamp,
    text: String,
}

impl Calendar {
    /// Begins the words of a record.
    pub(super) fn put(&mut self, out: &mut String, at: Timestamp) {
        if self.text.is_empty() || self.second.as_second() != at.as_second() {
            (self.second, self.text) = (at, at.strftime("%Y-%m-%dT%H:%M:%S").to_string());
        }
        out.push_str("\"at\":\"");
        out.push_str(&self.text);
        out.push('.');
        put_number(out, at.subsec_microsecond().unsigned_abs().into(), MICROS_IN_SECOND);
        out.push_str("Z\",");
    }
}

/// Whether everybody who reads the line can read these words in it: half of a character, a number that is too large and
/// a hundred brackets are JSON by its letters, and most readers give up on them.
fn can_be_read(words: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(&format!("[{words}]")).is_ok()
}

/// The lines of the log are plain text, whatever a peer calls a request.
fn plain(letter: char) -> char {
    if letter.is_ascii_graphic() && !matches!(letter, '"' | '\\') { letter } else { '?' }
}

/// The same JSON on one line and in ASCII, so that whoever looks at the file sees what is there.
fn put_on_one_line(out: &mut String, words: &str) {
    for character in words.chars() {
        match character {
            // Between JSON's words all of these are blanks, and inside of its strings they cannot be.
            '\n' | '\r' | '\t' => out.push(' '),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // A string has room for whatever is written to it.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
}

/// Bytes by size and hash.
fn put_digest(out: &mut String, name: &str, bytes: &[u8]) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":{\"bytes\":");
    put_number(out, bytes.len() as u64, 1);
    out.push_str(",\"sha256\":\"");
    let _ = write!(out, "{}", Hash::of(bytes));
    out.push_str("\"}");
}

/// In decimal, with zeros in front where it has fewer digits.
fn put_number(out: &mut String, number: u64, digits: usize) {
    let (mut text, mut rest, mut at) = (*b"00000000000000000000", number, 20);
    while rest > 0 || 20 - at < digits {
        at -= 1;
        text[at] += (rest % 10) as u8;
        rest /= 10;
    }
    out.push_str(str::from_utf8(&text[at..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn told(head: &str, tail: &'static [u8]) -> serde_json::Value {
        let frame = Frame { head: Bytes::from(head.to_owned()), tail: Bytes::from_static(tail) };
        let mut line = "{\"event\":\"request\"".to_owned();
        put_request(&mut line, &frame);
        line.push('}');
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
            told("{\"id\":1,\"ask\":\"é\\u202e\\u001b x\\\"\\\\\"}", b"")["request"],
            "????x??",
            "plain text alone"
        );
        assert_eq!((&words["with_digest"]["bytes"], words.get("with")), (&2008.into(), None));
        let deep = "[".repeat(127) + &"]".repeat(127);
        for unreadable in [r#"{"a":"\ud800"}"#, r#"{"a":1e999999}"#, &deep] {
            let words = told(&format!(r#"{{"id":1,"ask":"x","with":{unreadable}}}"#), b"");
            assert_eq!((&words["request"], words.get("with")), (&"x".into(), None));
            assert_eq!(words["with_digest"]["bytes"], unreadable.len());
        }
        let words = told("{\"ask\":", b"");
        assert_eq!((&words["with_digest"]["bytes"], words.get("request")), (&7.into(), None));
    }

    #[test]
    fn how_it_ended_is_told_with_the_time_it_took() {
        let ended = |outcome, kind, items, took| {
            let mut line = "{\"event\":\"request\"".to_owned();
            put_outcome(&mut line, outcome, kind, items, took);
            line.push('}');
            serde_json::from_str::<serde_json::Value>(&line).unwrap()
        };
        let took = Duration::new(u64::MAX, 1_000);
        let words = ended("refused", Some(Kind::NotRecorded), 0, took);
        assert_eq!((&words["outcome"], &words["kind"]), (&"refused".into(), &"not_recorded".into()));
        let words = ended("ended", None, 120, Duration::from_micros(12_034_005));
        assert_eq!((&words["items"], &words["took_seconds"]), (&120.into(), &12.034_005.into()));
        assert!(words.get("kind").is_none());
    }

    proptest! {
        #[test]
        fn the_calendar_says_what_the_time_is(seconds in prop::collection::vec((0_i64..4, 0_i32..1_000_000), 1..9)) {
            let mut calendar = Calendar::default();
            for (second, micro) in seconds {
                let at = Timestamp::new(1_800_000_000 + second, micro * 1_000).unwrap();
                let mut words = String::new();
                calendar.put(&mut words, at);
                let time = words.trim_start_matches("\"at\":\"").trim_end_matches("\",");
                prop_assert_eq!(time.parse::<Timestamp>().unwrap(), at);
            }
        }
    }
}
