//! Every reason an agent has to refuse: a stable kind for programs, a sentence and a next step for people.

use serde::{Deserialize, Serialize};

use crate::VERSION;
use crate::frame::FrameError;
use crate::requests::NAMES;
use crate::requests::explain::Sort;

/// A refusal as it crosses the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs; never changes its meaning.
    pub kind: Kind,
    /// What was refused and why.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

/// The kinds of refusal. A kind this build does not know reads as [`Kind::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The message is not of the protocol's form.
    BadMessage,
    /// The handshake did not agree on this protocol.
    WrongProtocol,
    /// The request is known, its words are not right.
    BadRequest,
    /// This agent does not know the request.
    UnknownRequest,
    /// The agent's owner does not let this identity ask this.
    NotPermitted,
    /// More bytes than the agent's owner allows.
    TooLarge,
    /// This identity has as many connections as it may have, or the agent as many as it serves.
    TooManyConnections,
    /// This connection has as many requests in flight as it may have, or there are as many programs.
    TooManyRequests,
    /// The asker cancelled it.
    Cancelled,
    /// The peer was silent for too long in the middle of something.
    TimedOut,
    /// The peer's certificate ended while its connection was open.
    CertificateEnded,
    /// The peer's certificate was revoked while its connection was open.
    Revoked,
    /// The agent cannot record what it is asked, and its owner wants nothing answered then.
    NotRecorded,
    /// The agent is shutting down.
    ShuttingDown,
    /// No check or command of this name is declared.
    NotDeclared,
    /// A parameter is missing, unknown, or not what its type takes.
    BadParameter,
    /// What was declared cannot be started.
    CannotStart,
    /// An adoption was not proven.
    CodeNotAccepted,
    /// An adoption was proven with a code whose life is over.
    CodeExpired,
    /// The agent belongs to somebody by now.
    AlreadyAdopted,
    /// The agent tried and could not; the message says why.
    Failed,
    /// A kind from a newer agent.
    #[serde(other)]
    Other,
}

impl Refusal {
    fn new(kind: Kind, message: String, hint: &str) -> Refusal {
        // The library quotes what it found, and a peer decides how long that is.
        let message = if message.len() > 300 { message.chars().take(300).collect() } else { message };
        Refusal { kind, message, hint: hint.to_owned() }
    }

    /// The head is not JSON of the envelope's form.
    pub fn bad_message(error: &serde_json::Error) -> Refusal {
        let message = format!("this is not a message of the protocol: {error}");
        Refusal::new(Kind::BadMessage, message, "see docs/protocol.md for the form of a message")
    }

    /// The envelope has neither a request nor a cancellation, or no id.
    pub fn no_request() -> Refusal {
        let message = "the message has no `id` with an `ask`, and no `cancel`".to_owned();
        Refusal::new(Kind::BadMessage, message, "see docs/protocol.md for the form of a message")
    }

    /// An id that is still in use on this connection.
    pub fn id_in_use(id: u64) -> Refusal {
        let message = format!("request {id} is still being answered on this connection");
        Refusal::new(Kind::BadMessage, message, "use a new id for every request")
    }

    /// The TLS handshake agreed on no protocol.
    pub fn wrong_protocol() -> Refusal {
        let message = "the handshake did not agree on the protocol rollcall/1".to_owned();
        Refusal::new(Kind::WrongProtocol, message, "offer `rollcall/1` by ALPN; see docs/protocol.md")
    }

    /// The words of a known request are wrong.
    pub fn bad_request(name: &str, error: &impl std::fmt::Display) -> Refusal {
        let message = format!("`{name}` was asked with words it does not take: {error}");
        Refusal::new(Kind::BadRequest, message, "see docs/protocol.md for what each request takes")
    }

    /// A request this build does not have.
    pub fn unknown_request(name: &str) -> Refusal {
        let shown: String = name.chars().take(40).collect();
        let message = format!("this agent ({VERSION}) does not know the request {shown:?}");
        Refusal::new(Kind::UnknownRequest, message, "use a request it knows, or install a newer agent there")
    }

    /// Something that must be granted, and is not.
    pub fn not_granted(permission: &str, name: &str) -> Refusal {
        let permission: String = permission.chars().take(80).collect();
        let line = |granted: &str| {
            format!(
                "the agent's owner grants it in agent.toml, under [allow], in the one line of {name}: \
                 \"{name}\" = [\"{granted}\"]"
            )
        };
        let (word, thing) =
            permission.split_once(':').map_or((&*permission, None), |(word, thing)| (word, Some(thing)));
        let sort = Sort::ALL.into_iter().find(|sort| sort.request() == word);
        let hint = match (sort, thing) {
            (Some(sort), Some(thing)) => {
                format!("{}; there must be a [{}.{thing}]", line(&permission), sort.table())
            }
            (Some(sort), None) => format!("{}; each is granted by its name", line(&sort.permission("NAME"))),
            (None, None) if NAMES.contains(&word) => line(&permission),
            _ => format!("there is no such request; requests are {}", NAMES.join(", ")),
        };
        Refusal::new(Kind::NotPermitted, format!("`{permission}` is not granted to {name}"), &hint)
    }

    /// Something that was taken away.
    pub fn taken_away(permission: &str, name: &str, rule: &str) -> Refusal {
        let permission: String = permission.chars().take(80).collect();
        let hint = format!("the agent's owner did so in agent.toml, under [deny], in the line of \"{rule}\"");
        Refusal::new(Kind::NotPermitted, format!("`{permission}` is taken away from {name}"), &hint)
    }

    /// Bytes that cannot be a frame.
    pub fn bad_frame(error: &FrameError) -> Refusal {
        let (kind, hint) = match error {
            FrameError::TooLong { .. } => {
                (Kind::TooLarge, "send less at once, or let the agent's owner raise `limits.frame`")
            }
            FrameError::HeadOutside { .. } => {
                (Kind::BadMessage, "see docs/protocol.md for the form of a frame")
            }
        };
        Refusal::new(kind, error.to_string(), hint)
    }

    /// The agent serves as many connections as it may.
    pub fn too_many_connections(limit: usize) -> Refusal {
        let message = format!("the agent already serves {limit} connections");
        Refusal::new(
            Kind::TooManyConnections,
            message,
            "try again later, or let the agent's owner raise `limits.connections`",
        )
    }

    /// One identity holds as many connections as it may.
    pub fn too_many_connections_of(name: &str, limit: usize) -> Refusal {
        let message = format!("{name} already has {limit} connections to this agent");
        Refusal::new(
            Kind::TooManyConnections,
            message,
            "close some, or let the agent's owner raise `limits.connections_per_identity`",
        )
    }

    /// A connection has as many requests in flight as it may.
    pub fn too_many_requests(limit: usize) -> Refusal {
        let message = format!("{limit} requests are already in flight on this connection");
        Refusal::new(
            Kind::TooManyRequests,
            message,
            "wait for answers, or let the agent's owner raise `limits.requests_in_flight`",
        )
    }

    /// One identity has as many requests in flight as it may have.
    pub fn too_many_requests_of(name: &str, limit: usize) -> Refusal {
        let message = format!("{name} already has {limit} requests in flight on this agent");
        Refusal::new(
            Kind::TooManyRequests,
            message,
            "wait for answers, or let the agent's owner raise `limits.requests_in_flight_per_identity`",
        )
    }

    /// As many programs are asked for as may be.
    pub fn too_many_programs(limit: usize) -> Refusal {
        let message = format!("{limit} programs already run on this agent or wait for their turn");
        Refusal::new(
            Kind::TooManyRequests,
            message,
            "ask again later, or let the agent's owner raise `limits.programs`",
        )
    }

    /// The asker cancelled the request.
    pub fn cancelled() -> Refusal {
        Refusal::new(Kind::Cancelled, "the request was cancelled".to_owned(), "ask again when you want it")
    }

    /// A frame was begun and not finished in time.
    pub fn half_a_frame(waited: std::time::Duration) -> Refusal {
        let message = format!("a frame was begun and not finished within {waited:?}");
        Refusal::new(Kind::TimedOut, message, "send whole frames; see docs/protocol.md")
    }

    /// Nothing happened for too long.
    pub fn idle(waited: std::time::Duration) -> Refusal {
        let message = format!("nothing was asked for {waited:?}");
        Refusal::new(Kind::TimedOut, message, "connect again, or let the agent's owner raise `limits.idle`")
    }

    /// The peer's certificate ended while its connection was open.
    pub fn certificate_ended(at: jiff::Timestamp) -> Refusal {
        let message = format!("your certificate ended at {at}");
        Refusal::new(Kind::CertificateEnded, message, "connect again with a new certificate")
    }

    /// The peer's certificate is void.
    pub fn revoked() -> Refusal {
        let message = "your certificate is revoked".to_owned();
        Refusal::new(Kind::Revoked, message, "ask whoever keeps the authority for a new one")
    }

    /// The authority that signed the peer's certificate was forgotten.
    pub fn believed_no_longer() -> Refusal {
        let message = "the authority that signed your certificate is not believed here any more".to_owned();
        Refusal::new(Kind::Revoked, message, "ask whoever keeps the authority for a new one")
    }

    /// The agent cannot record what it is asked.
    pub fn not_recorded(why: &str) -> Refusal {
        let message =
            format!("the agent's audit log cannot be written, and without it nothing is answered: {why}");
        let hint = "let the agent's owner mend that, or set `audit.when_broken = \"continue\"` in agent.toml";
        Refusal::new(Kind::NotRecorded, message, hint)
    }

    /// The agent is about to end.
    pub fn shutting_down() -> Refusal {
        Refusal::new(Kind::ShuttingDown, "the agent is shutting down".to_owned(), "ask again in a moment")
    }

    /// No check or command of this name is declared.
    pub fn not_declared(sort: Sort, name: &str) -> Refusal {
        let name: String = name.chars().take(80).collect();
        let table = sort.table();
        let message = format!("the agent's owner declared no {table} {name:?}");
        let hint = format!(
            "see what is declared with `controller caps`; the owner declares it in agent.toml, as [{table}.NAME]"
        );
        Refusal::new(Kind::NotDeclared, message, &hint)
    }

    /// A parameter is missing, unknown, or not what its type takes.
    pub fn bad_parameter(name: &str, why: &str) -> Refusal {
        let name: String = name.chars().take(80).collect();
        let hint = "see what it takes with `controller caps`; what would run, with --explain";
        Refusal::new(Kind::BadParameter, format!("parameter {name:?}: {why}"), hint)
    }

    /// What was declared cannot be started.
    pub fn cannot_start(program: &str, why: &str) -> Refusal {
        let hint = "let the agent's owner mend that on the machine; `agent check-config` there says more";
        Refusal::new(Kind::CannotStart, format!("cannot start {program}: {why}"), hint)
    }

    /// An adoption without the right code. Says nothing of which codes there are, or whether there is one.
    pub fn code_not_accepted() -> Refusal {
        let message = "the code was not accepted".to_owned();
        Refusal::new(Kind::CodeNotAccepted, message, "get a new one on that machine with: agent code")
    }

    /// An adoption with a code that was right once. Said only to who has proven to know it.
    pub fn code_expired(at: jiff::Timestamp) -> Refusal {
        let message = format!("the code's life ended at {at}");
        Refusal::new(Kind::CodeExpired, message, "get a new one on that machine with: agent code")
    }

    /// Somebody else was faster. Said only to who has proven to know the code.
    pub fn already_adopted() -> Refusal {
        let message = "somebody else who knows the code has adopted this agent a moment ago".to_owned();
        Refusal::new(Kind::AlreadyAdopted, message, "if that was not you, run `agent reset` on that machine")
    }

    /// A new certificate was not taken, or not even asked for.
    pub fn not_renewed(why: &impl std::fmt::Display, hint: &str) -> Refusal {
        Refusal::new(Kind::Failed, format!("the certificate was not renewed: {why}"), hint)
    }

    /// A revocation list was not taken.
    pub fn list_not_taken(error: &impl std::fmt::Display) -> Refusal {
        Refusal::new(
            Kind::Failed,
            format!("the revocation list was not taken: {error}"),
            "where your home comes from a backup: `controller authority rotate --finish` signs the list again with the \
             authority that is believed; or else the agent's log on that machine may say more",
        )
    }

    /// What systemd knows was not learned.
    pub fn systemd_not_asked(why: &impl std::fmt::Display, hint: &str) -> Refusal {
        Refusal::new(Kind::Failed, format!("systemd was not asked: {why}"), hint)
    }

    /// The agent tried and could not.
    pub fn failed(what: &str, error: &impl std::fmt::Display) -> Refusal {
        Refusal::new(Kind::Failed, format!("{what}: {error}"), "the agent's log on that machine may say more")
    }
}
