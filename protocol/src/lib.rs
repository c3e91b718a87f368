//! What an agent and a controller say to each other.
//!
//! A request is one file in [`requests`]: what is asked and what is answered. [`message`] wraps it in an envelope,
//! [`frame`] puts the envelope into bytes, and [`stream`] moves the bytes. [`chain`] is how the lines of an audit log hold
//! together. This crate knows no sockets, no TLS and nothing of who speaks: `docs/protocol.md` says the same in prose, for
//! people who write a client of their own.

pub mod adoption;
pub mod chain;
pub mod frame;
pub mod message;
pub mod refusal;
pub mod requests;
pub mod stream;

pub use refusal::{Kind, Refusal};
pub use requests::{Answer, Ask, Request};
pub use stream::MessageStream;

/// The protocol's version: both sides offer exactly this name during the TLS handshake (ALPN).
pub const ALPN: &[u8] = b"rollcall/1";

/// The port an agent listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 5669;

/// The version of this build, which refusals and `info` name.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The largest frame an agent takes from a controller, unless its owner says otherwise.
pub const MAX_ASK_FRAME: usize = 64 * 1024;

/// The largest frame a controller takes from an agent. A machine with thousands of mounts fits.
pub const MAX_REPLY_FRAME: usize = 4 * 1024 * 1024;
