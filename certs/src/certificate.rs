//! What a certificate lets be asked of it: whether it is an authority's, for what it is, and who signed what.

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::provider::provider;
use crate::{Error, Role};

/// Whether this certificate may sign others.
pub(crate) fn is_authority(certificate: &CertificateDer<'_>) -> Result<bool, Error> {
    Ok(parse(certificate)?.is_ca())
}

/// Whether by this certificate one authority vouches for another.
pub(crate) fn is_voucher(certificate: &CertificateDer<'_>) -> Result<bool, Error> {
    let parsed = parse(certificate)?;
    Ok(parsed.is_ca() && parsed.subject() != parsed.issuer())
}

/// Whether a certificate holds now.
pub(crate) fn holds(certificate: &CertificateDer<'_>) -> bool {
    parse(certificate).is_ok_and(|parsed| parsed.validity().is_valid())
}

/// Whether by `voucher` one of `believed` has ever vouched for `next`.
pub(crate) fn vouches(
    voucher: &CertificateDer<'_>,
    next: &CertificateDer<'_>,
    believed: &[CertificateDer<'_>],
) -> bool {
    let (Ok(vouched), Ok(next)) = (parse(voucher), parse(next)) else { return false };
    vouched.is_ca()
        && vouched.subject() == next.subject()
        && vouched.public_key() == next.public_key()
        && believed.iter().any(|authority| has_signed(authority, voucher))
}

/// Whether an authority has signed a certificate.
pub(crate) fn has_signed(authority: &CertificateDer<'_>, certificate: &CertificateDer<'_>) -> bool {
    parse(certificate)
        .is_ok_and(|signed| fits(authority, signed.tbs_certificate.as_ref(), &signed.signature_value.data))
}

/// Whether a signature is this authority's.
pub(crate) fn fits(authority: &CertificateDer<'_>, message: &[u8], signature: &[u8]) -> bool {
    let Ok(authority) = parse(authority) else { return false };
    let key = &authority.public_key().subject_public_key.data;
    let algorithms = provider().signature_verification_algorithms.all;
    algorithms.iter().any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
}

/// Whether a certificate is for exactly what this role does: no usage at all would mean any.
pub(crate) fn is_for(parsed: &X509Certificate<'_>, role: Role) -> bool {
    let usage = parsed.extended_key_usage().ok().flatten().map(|extension| extension.value);
    usage.is_some_and(|usage| match role {
        Role::Agent => usage.server_auth && !usage.client_auth && !usage.any,
        Role::Controller => usage.client_auth && !usage.server_auth && !usage.any,
    })
}

/// Until when a certificate holds.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Result<Timestamp, Error> {
    timestamp(parse(certificate)?.validity().not_after.timestamp())
}

pub(crate) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(Error::Certificate("these bytes are not a certificate".to_owned())),
    }
}

pub(crate) fn timestamp(seconds: i64) -> Result<Timestamp, Error> {
    Timestamp::from_second(seconds)
        .map_err(|_| Error::Certificate("the certificate's dates are out of range".to_owned()))
}
