//! The list of requests. A line here, a file below, and the file of the same name in `agent` and in `controller`:
//! that is all a request is.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// What travels in a frame: a JSON head, and for a few messages raw bytes behind it.
pub trait Message: Serialize + DeserializeOwned {
    /// The bytes that travel behind the head.
    fn tail(&self) -> &[u8] {
        &[]
    }

    /// The permission that this request needs: its name, or one thing that it can do, such as `run:restart-nginx`.
    fn permission(&self, request: &'static str) -> Cow<'static, str> {
        Cow::Borrowed(request)
    }

    /// How the program ended that was started for this answer, if one was and did.
    fn program(&self) -> Option<run::Ended> {
        None
    }

    /// Takes the bytes that came behind the head; a message without a tail ignores them.
    fn attach(&mut self, _tail: Bytes) {}

    /// Reads the JSON and takes the tail.
    fn decode(json: &str, tail: Bytes) -> serde_json::Result<Self> {
        let mut message: Self = object(json.as_bytes())?;
        message.attach(tail);
        Ok(message)
    }
}

/// Reads a JSON object. The library would also take a list of the fields in their order, which nobody means.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> serde_json::Result<T> {
    if json.first() != Some(&b'{') {
        return Err(serde::de::Error::custom("a JSON object is expected"));
    }
    serde_json::from_slice(json)
}

/// A request knows its name and the type of its answer, so a wrong answer is an error and never a surprise.
pub trait Request: Message {
    /// The name on the wire: the file's name.
    const NAME: &'static str;
    /// What answers it; for some requests, again and again.
    type Answer: Message;
    /// This request as one of all requests.
    fn into_ask(self) -> Ask;
    /// An answer as one of all answers.
    fn into_answer(answer: Self::Answer) -> Answer;
}

/// So many services, processes or files may be named in one request.
pub const MAX_NAMED: usize = 64;

/// Who may ask something when the agent's owner has said nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every controller of the authority.
    Open,
    /// Nobody.
    Granted,
}

macro_rules! requests {
    ($($access:ident $module:ident :: $request:ident => $answer:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// One of all requests, as an agent reads it.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)]
        pub enum Ask { $($request($module::$request)),+ }

        /// One of all answers, as an agent writes it.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        #[allow(missing_docs)]
        pub enum Answer { $($request(Box<$module::$answer>)),+ }

        /// The names of all requests, in the order of the list.
        pub const NAMES: &[&str] = &[$(stringify!($module)),+];

        /// Who may ask this by itself; `None` for what is no request.
        pub fn access(name: &str) -> Option<Access> {
            match name {
                $(stringify!($module) => Some(Access::$access),)+
                _ => None,
            }
        }

        $(impl Request for $module::$request {
            const NAME: &'static str = stringify!($module);
            type Answer = $module::$answer;
            fn into_ask(self) -> Ask { Ask::$request(self) }
            fn into_answer(answer: Self::Answer) -> Answer { Answer::$request(Box::new(answer)) }
        })+

        impl Ask {
            /// The name on the wire.
            pub fn name(&self) -> &'static str {
                match self { $(Ask::$request(_) => stringify!($module)),+ }
            }

            /// The permission that it needs.
            pub fn permission(&self) -> Cow<'static, str> {
                match self { $(Ask::$request(ask) => ask.permission(stringify!($module))),+ }
            }

            /// Reads what a peer asked.
            ///
            /// # Errors
            /// The refusal to send back: an unknown name, or words that the request does not take.
            pub fn decode(name: &str, json: &str, tail: Bytes) -> Result<Ask, Refusal> {
                match name {
                    $(stringify!($module) => $module::$request::decode(json, tail)
                        .map(Ask::$request)
                        .map_err(|error| Refusal::bad_request(name, &error)),)+
                    _ => Err(Refusal::unknown_request(name)),
                }
            }
        }

        impl Answer {
            /// How the program ended that was started for it, if one was and did.
            pub fn program(&self) -> Option<run::Ended> {
                match self { $(Answer::$request(answer) => answer.program()),+ }
            }

            /// The bytes that travel behind the head.
            pub fn tail(&self) -> &[u8] {
                match self { $(Answer::$request(answer) => answer.tail()),+ }
            }
        }
    };
}

requests! {
    Granted audit::Audit => Records,
    Open can::Can => Verdict,
    Open caps::Caps => Offers,
    Open check::Check => Checked,
    Open echo::Echo => Echoed,
    Open explain::Explain => Plan,
    Granted files::Files => Looks,
    Open info::Info => Machine,
    Open install::Install => Installed,
    Open processes::Processes => Counts,
    Open renew::Renew => SigningRequest,
    Granted run::Run => Piece,
    Open services::Services => Units,
    Open sync::Sync => Synced,
    Open time::Time => Clock,
    Open uptime::Uptime => Running,
    Open watch::Watch => Machine,
    Open whoami::Whoami => You,
}
