//! A failed handshake: who refused whom, and for which reason. The words for it belong to the programs.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, OtherError};

use crate::Identity;

/// An agent of our authority, but not the one that was meant.
#[derive(Debug, thiserror::Error)]
#[error("this is {0}")]
struct Misnamed(Identity);

pub(super) fn misnamed(presented: Identity) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(Misnamed(presented)))).into()
}

/// Which side ended a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// This side did not accept the other.
    Us,
    /// The other side did not accept this one.
    Peer,
}

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The other side does not speak TLS at all.
    NotTls,
    /// The other side does not speak TLS 1.3.
    OldTls,
    /// Both speak TLS, but not this protocol or not one cipher of both.
    NothingShared,
    /// No certificate was shown.
    NoCertificate,
    /// The certificate is signed by another authority.
    UnknownAuthority,
    /// The certificate belongs to another agent than the one meant.
    WrongName(Identity),
    /// An agent's certificate where a controller's belongs, or the other way round.
    WrongRole,
    /// The certificate does not name exactly one identity.
    Nameless,
    /// The certificate ended, by this machine's clock.
    Expired(Timestamp),
    /// The certificate begins later, by this machine's clock.
    NotYetValid(Timestamp),
    /// The certificate is outside of its dates by the other side's clock, which does not say in which direction.
    OutsideDates,
    /// The certificate was revoked.
    Revoked,
    /// Anything else, in the library's words.
    Other(String),
}

/// The judgement in a failed handshake.
///
/// In TLS 1.3 a client's handshake is over before the server has judged its certificate: the refusal comes with the
/// first read, and goes through here just the same.
pub fn explain(error: &rustls::Error) -> (Judge, Reason) {
    match error {
        rustls::Error::AlertReceived(alert) => (Judge::Peer, of_alert(*alert)),
        rustls::Error::InvalidCertificate(error) => (Judge::Us, of_certificate(error)),
        rustls::Error::NoCertificatesPresented => (Judge::Us, Reason::NoCertificate),
        rustls::Error::InvalidMessage(_) => (Judge::Us, Reason::NotTls),
        rustls::Error::PeerIncompatible(why) => (Judge::Us, of_incompatible(why)),
        rustls::Error::NoApplicationProtocol => (Judge::Us, Reason::NothingShared),
        other => (Judge::Us, Reason::Other(other.to_string())),
    }
}

fn of_alert(alert: AlertDescription) -> Reason {
    match alert {
        AlertDescription::CertificateRequired => Reason::NoCertificate,
        AlertDescription::UnknownCA | AlertDescription::DecryptError => Reason::UnknownAuthority,
        AlertDescription::CertificateExpired => Reason::OutsideDates,
        AlertDescription::CertificateRevoked => Reason::Revoked,
        AlertDescription::UnsupportedCertificate => Reason::WrongRole,
        AlertDescription::BadCertificate => Reason::Nameless,
        AlertDescription::ProtocolVersion => Reason::OldTls,
        AlertDescription::NoApplicationProtocol | AlertDescription::HandshakeFailure => Reason::NothingShared,
        other => Reason::Other(format!("TLS alert {other:?}")),
    }
}

fn of_certificate(error: &CertificateError) -> Reason {
    let at = |time: &UnixTime| Timestamp::from_second(time.as_secs().cast_signed()).unwrap_or(Timestamp::MAX);
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Reason::UnknownAuthority,
        CertificateError::ExpiredContext { not_after, .. } => Reason::Expired(at(not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => Reason::NotYetValid(at(not_before)),
        CertificateError::Expired | CertificateError::NotValidYet => Reason::OutsideDates,
        CertificateError::BadEncoding => Reason::Nameless,
        CertificateError::Revoked => Reason::Revoked,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Reason::WrongRole
        }
        CertificateError::Other(OtherError(error)) => match error.downcast_ref::<Misnamed>() {
            Some(Misnamed(presented)) => Reason::WrongName(presented.clone()),
            None => Reason::Other(error.to_string()),
        },
        other => Reason::Other(format!("{other:?}")),
    }
}

fn of_incompatible(why: &rustls::PeerIncompatible) -> Reason {
    use rustls::PeerIncompatible as P;
    match why {
        P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::Tls13RequiredForQuic
        | P::SupportedVersionsExtensionRequired
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::ServerDoesNotSupportTls12Or13 => Reason::OldTls,
        _ => Reason::NothingShared,
    }
}
