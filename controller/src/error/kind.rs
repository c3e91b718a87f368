//! How far it went, and what went wrong there: the words that scripts read. Documented in `docs/operations.md`.

use protocol::refusal;
use serde::Serialize;

/// How far it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Finding the address of a name.
    Lookup,
    /// Connecting to the address.
    Connect,
    /// Agreeing on TLS.
    Tls,
    /// Believing each other.
    Identity,
    /// Making a machine one's own.
    Adoption,
    /// Giving it a new certificate.
    Renewal,
    /// Asking and being answered.
    Request,
}

impl Stage {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Stage::Lookup => "lookup",
            Stage::Connect => "connect",
            Stage::Tls => "TLS",
            Stage::Identity => "identity",
            Stage::Adoption => "adoption",
            Stage::Renewal => "renewal",
            Stage::Request => "request",
        }
    }

    pub(crate) fn is_before_trust(self) -> bool {
        !matches!(self, Stage::Adoption | Stage::Renewal | Stage::Request)
    }
}

macro_rules! kinds {
    ($($stage:ident { $($kind:ident = $word:literal),+ $(,)? })+) => {
        /// What went wrong. A word never changes its meaning within its stage.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[expect(missing_docs, reason = "the failures beside them say it in sentences")]
        pub enum Kind {
            $($(#[serde(rename = $word)] $kind,)+)+
            /// The agent refused, for a reason of its own list.
            #[serde(untagged)]
            Refusal(refusal::Kind),
        }

        impl Kind {
            /// All that this program itself finds out, in the order of the stages.
            pub const ALL: &[Kind] = &[$($(Kind::$kind,)+)+];

            /// In one word, beside how many it is of.
            pub(crate) fn in_short(self) -> &'static str {
                match self {
                    Kind::LookupTimedOut
                    | Kind::ConnectTimedOut
                    | Kind::HandshakeTimedOut
                    | Kind::NoAnswer
                    | Kind::NotEnded => "timed out",
                    Kind::ConnectionRefused => "refused",
                    Kind::Refusal(_) => "declined",
                    Kind::NameNotFound => "not found",
                    _ if self.stage() == Stage::Identity => "not trusted",
                    _ => "failed",
                }
            }

            /// Where it can go wrong so.
            pub fn stage(self) -> Stage {
                match self {
                    $($(Kind::$kind)|+ => Stage::$stage,)+
                    Kind::Refusal(_) => Stage::Request,
                }
            }
        }
    };
}

kinds! {
    Lookup {
        NameNotFound = "name_not_found",
        LookupTimedOut = "timed_out",
    }
    Connect {
        ConnectionRefused = "refused",
        Unreachable = "unreachable",
        ConnectTimedOut = "timed_out",
        ConnectFailed = "failed",
    }
    Tls {
        NotTls = "not_tls",
        OldTls = "old_tls",
        WrongProtocol = "wrong_protocol",
        HandshakeTimedOut = "timed_out",
        HandshakeBroken = "broken",
        HandshakeRefused = "refused",
        HandshakeFailed = "failed",
    }
    Identity {
        UnknownAuthority = "unknown_authority",
        WrongName = "wrong_name",
        WrongRole = "wrong_role",
        Nameless = "nameless",
        Expired = "expired",
        NotYetValid = "not_yet_valid",
        Revoked = "revoked",
        RefusedAuthority = "refused_authority",
        RefusedRole = "refused_role",
        RefusedNameless = "refused_nameless",
        RefusedRevoked = "refused_revoked",
        NoCertificate = "no_certificate",
        OwnExpired = "own_expired",
        OwnNotYetValid = "own_not_yet_valid",
        Clock = "clock",
    }
    Adoption {
        NotWaiting = "not_waiting",
        AlreadyYours = "already_yours",
        Unproven = "unproven",
        NotSigned = "not_signed",
    }
    Renewal {
        RenewalNotSigned = "not_signed",
        NotShown = "not_shown",
    }
    Request {
        NoAnswer = "timed_out",
        Ended = "ended",
        Cut = "cut",
        Broken = "broken",
        Nonsense = "nonsense",
        Changed = "changed",
        BadList = "bad_list",
        NotEnded = "not_ended",
        NotYet = "not_yet",
        NotAsked = "not_asked",
        AuditNotAsNoted = "audit_not_as_noted",
        AuditBroken = "audit_broken",
    }
}
