//! How a machine that belongs to nobody is adopted: four messages, on a protocol of their own.
//!
//! | who | says | tail |
//! |---|---|---|
//! | controller | `{"claim":{"proof":"..."}}` | |
//! | agent | `{"offer":{"proof":"...","host_name":"web-1","version":"0.1.0"}}` | the signing request |
//! | controller | `{"belong":{}}` | certificates, as PEM |
//! | agent | `{"adopted":{"name":"web-1","certificate_ends":"..."}}` | |
//!
//! In place of either of its messages the agent may say `{"refusal":{...}}`, and then ends the connection. The frames are
//! those of [`crate::frame`]. `docs/security.md` has the reasoning.

use std::io;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::frame::{self, Frame};
use crate::requests::object;

/// What both sides offer during the TLS handshake (ALPN) in place of [`crate::ALPN`].
pub const ALPN: &[u8] = b"rollcall-adopt/1";

/// What a controller says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToAgent {
    /// I know the code.
    Claim {
        /// The controller's proof, in hexadecimal.
        proof: String,
    },
    /// You belong to this authority now. The certificates are the tail.
    Belong {},
}

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromAgent {
    /// I know the code too, and this is the key to sign. The request is the tail.
    Offer {
        /// The agent's proof, in hexadecimal.
        proof: String,
        /// What the machine calls itself.
        host_name: String,
        /// The agent's version.
        version: String,
    },
    /// It is done, and lasts.
    Adopted {
        /// What the agent is called now.
        name: String,
        /// Until when its certificate holds.
        certificate_ends: Timestamp,
    },
    /// No.
    Refusal(Refusal),
}

/// Appends a message to `out` as a frame.
///
/// # Errors
/// The message is larger than any frame.
pub fn put(out: &mut Vec<u8>, message: &impl Serialize, tail: &[u8]) -> io::Result<()> {
    frame::put(out, |out| serde_json::to_writer(out, message), tail)
}

/// Reads a message and its tail.
///
/// # Errors
/// It is no message of an adoption.
pub fn read<T: DeserializeOwned>(frame: &Frame) -> serde_json::Result<(T, Bytes)> {
    Ok((object(&frame.head)?, frame.tail.clone()))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::frame::Frames;

    fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: &T, head: &str) {
        let mut bytes = Vec::new();
        put(&mut bytes, message, b"tail").unwrap();
        let frame = Frames::new(1 << 16).next(&mut BytesMut::from(&bytes[..])).unwrap().unwrap();
        assert_eq!(frame.head, head.as_bytes());
        let (back, tail) = read::<T>(&frame).unwrap();
        assert_eq!((&back, &tail[..]), (message, &b"tail"[..]));
    }

    #[test]
    fn every_message_has_its_form_for_ever() {
        check(&ToAgent::Claim { proof: "ab".to_owned() }, r#"{"claim":{"proof":"ab"}}"#);
        check(&ToAgent::Belong {}, r#"{"belong":{}}"#);
        let offer = FromAgent::Offer {
            proof: "ab".to_owned(),
            host_name: "web-1".to_owned(),
            version: "0.1.0".to_owned(),
        };
        check(&offer, r#"{"offer":{"proof":"ab","host_name":"web-1","version":"0.1.0"}}"#);
        let adopted =
            FromAgent::Adopted { name: "web-1".to_owned(), certificate_ends: Timestamp::UNIX_EPOCH };
        check(&adopted, r#"{"adopted":{"name":"web-1","certificate_ends":"1970-01-01T00:00:00Z"}}"#);
        let refusal = Refusal::code_not_accepted();
        let json = serde_json::to_string(&refusal).unwrap();
        check(&FromAgent::Refusal(refusal), &format!(r#"{{"refusal":{json}}}"#));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for head in
            ["", "[]", "{}", r#""claim""#, r#"{"claim":{}}"#, r#"{"claim":{"proof":"a"},"belong":{}}"#]
        {
            let frame = Frame { head: Bytes::copy_from_slice(head.as_bytes()), tail: Bytes::new() };
            assert!(read::<ToAgent>(&frame).is_err(), "{head}");
        }
    }
}
