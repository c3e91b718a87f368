//! The envelope: what every message says besides its own words. Encodes and decodes, and nothing else.
//!
//! To the agent: `{"id":7,"ask":"info","with":{...}}` and `{"cancel":7}`.
//! From the agent: `{"id":7,"answer":{...}}`; or `{"id":7,"item":{...}}` again and again and then `{"id":7,"end":true}`;
//! or `{"id":7,"refusal":{...}}`. Every request ends with exactly one `answer`, `end` or `refusal`. A refusal without an
//! `id` concerns the whole connection, which then ends.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::frame::{self, Frame};
use crate::requests::{Message, object};
use crate::{Answer, Ask, Refusal, Request};

/// What a controller says.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Please answer this; the reply carries the same id.
    Ask {
        /// Chosen by the asker, new for every request of a connection.
        id: u64,
        /// What is asked.
        ask: Ask,
    },
    /// Never mind that one.
    Cancel {
        /// The request's id.
        id: u64,
    },
}

/// A call that cannot be taken, with the refusal to send back.
#[derive(Debug, Clone, PartialEq)]
pub struct BadCall {
    /// The request's id, where it could be read.
    pub id: Option<u64>,
    /// What to answer.
    pub refusal: Refusal,
}

#[derive(Deserialize)]
struct CallHead<'a> {
    id: Option<u64>,
    #[serde(borrow, default)]
    ask: Cow<'a, str>,
    #[serde(borrow)]
    with: Option<&'a RawValue>,
    cancel: Option<u64>,
}

impl Call {
    /// Reads what a controller said.
    ///
    /// # Errors
    /// The refusal to send back, with the id where there is one.
    pub fn decode(frame: Frame) -> Result<Call, BadCall> {
        let head: CallHead<'_> = object(&frame.head)
            .map_err(|error| BadCall { id: None, refusal: Refusal::bad_message(&error) })?;
        match (head.id, head.ask.as_ref(), head.cancel) {
            (_, "", Some(id)) => Ok(Call::Cancel { id }),
            (Some(id), name, None) if !name.is_empty() => {
                Ask::decode(name, head.with.map_or("{}", RawValue::get), frame.tail)
                    .map(|ask| Call::Ask { id, ask })
                    .map_err(|refusal| BadCall { id: Some(id), refusal })
            }
            (id, ..) => Err(BadCall { id, refusal: Refusal::no_request() }),
        }
    }
}

/// Appends a request to `out` as a frame.
///
/// # Errors
/// When the request cannot be written as JSON, or is larger than any frame.
pub fn put_ask<R: Request>(out: &mut Vec<u8>, id: u64, request: &R) -> io::Result<()> {
    #[derive(Serialize)]
    struct Head<'a, R> {
        id: u64,
        ask: &'static str,
        with: &'a R,
    }
    let head = Head { id, ask: R::NAME, with: request };
    frame::put(out, |out| serde_json::to_writer(out, &head), request.tail())
}

/// Appends a cancellation to `out` as a frame.
///
/// # Errors
/// Never in practice; the signature is that of its siblings.
pub fn put_cancel(out: &mut Vec<u8>, id: u64) -> io::Result<()> {
    #[derive(Serialize)]
    struct Head {
        cancel: u64,
    }
    frame::put(out, |out| serde_json::to_writer(out, &Head { cancel: id }), &[])
}

/// How a request, or one step of it, ended. `T` is the typed answer on one side and raw JSON on the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// The one answer.
    Answer(T),
    /// One of several answers.
    Item(T),
    /// There will be no more answers.
    End,
    /// There will be no answer.
    Refusal(Refusal),
}

/// Appends a reply to `out` as a frame. Without an id it concerns the connection.
///
/// # Errors
/// When the answer cannot be written as JSON, or is larger than any frame; nothing was appended then.
pub fn put_reply(out: &mut Vec<u8>, id: Option<u64>, outcome: &Outcome<Answer>) -> io::Result<()> {
    #[derive(Serialize, Default)]
    struct Head<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        answer: Option<&'a Answer>,
        #[serde(skip_serializing_if = "Option::is_none")]
        item: Option<&'a Answer>,
        #[serde(skip_serializing_if = "Option::is_none")]
        end: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        refusal: Option<&'a Refusal>,
    }
    let mut head = Head { id, ..Head::default() };
    let mut tail: &[u8] = &[];
    match outcome {
        Outcome::Answer(answer) => {
            tail = answer.tail();
            head.answer = Some(answer);
        }
        Outcome::Item(answer) => {
            tail = answer.tail();
            head.item = Some(answer);
        }
        Outcome::End => head.end = Some(true),
        Outcome::Refusal(refusal) => head.refusal = Some(refusal),
    }
    frame::put(out, |out| serde_json::to_writer(out, &head), tail)
}

/// What an agent said: the answer is still JSON, for only the asker knows its type.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The request it belongs to; `None` concerns the connection.
    pub id: Option<u64>,
    /// How it ended, or one step of it.
    pub outcome: Outcome<Untyped>,
}

/// An answer whose type is not known yet.
#[derive(Debug, Clone)]
pub struct Untyped {
    json: Box<RawValue>,
    tail: Bytes,
}

impl Untyped {
    /// The answer to an `R`.
    ///
    /// # Errors
    /// When it is not the form that an `R` is answered in.
    pub fn read<R: Request>(self) -> serde_json::Result<R::Answer> {
        R::Answer::decode(self.json.get(), self.tail)
    }
}

#[derive(Deserialize)]
struct ReplyHead {
    id: Option<u64>,
    answer: Option<Box<RawValue>>,
    item: Option<Box<RawValue>>,
    end: Option<bool>,
    refusal: Option<Refusal>,
}

impl Reply {
    /// Reads what an agent said.
    ///
    /// # Errors
    /// When the head is not JSON of the envelope's form, or has not exactly one outcome.
    pub fn decode(frame: Frame) -> serde_json::Result<Reply> {
        let head: ReplyHead = object(&frame.head)?;
        let tail = frame.tail;
        let outcome = match (head.answer, head.item, head.end, head.refusal) {
            (Some(json), None, None, None) => Outcome::Answer(Untyped { json, tail }),
            (None, Some(json), None, None) => Outcome::Item(Untyped { json, tail }),
            (None, None, Some(true), None) => Outcome::End,
            (None, None, None, Some(refusal)) => Outcome::Refusal(refusal),
            _ => {
                return Err(serde::de::Error::custom(
                    "a reply has exactly one of `answer`, `item`, `end` and `refusal`",
                ));
            }
        };
        Ok(Reply { id: head.id, outcome })
    }
}
