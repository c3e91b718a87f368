//! What the certificates say that an authority signs.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;

use crate::identity::team_uri;
use crate::{Address, Error, Grant, Role, Validity};

const AUTHORITY_DAYS: u32 = 3650;

/// An authority, signed by itself.
pub(super) fn of_authority() -> Result<CertificateParams, Error> {
    let serial = random_serial()?;
    let mut params = blank(Validity::days(AUTHORITY_DAYS), serial.clone());
    // Two authorities of one name would be told apart only by a broken signature, which says nothing to a person.
    let label: String = serial.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CommonName, format!("rollcall authority {label}"));
    // One below it: the authority that takes its place one day.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The same authority by the word of the one before, which ends no later than either.
pub(super) fn of_voucher(
    authority: CertificateParams,
    not_after: Timestamp,
) -> Result<CertificateParams, Error> {
    let mut params = authority;
    params.serial_number = Some(SerialNumber::from(random_serial()?));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.not_after = date(not_after);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// What was granted, but not beyond the authority's own end: nobody would believe it for longer.
pub(super) fn of_identity(grant: &Grant<'_>, authority_ends: Timestamp) -> Result<CertificateParams, Error> {
    let name = grant.identity.name.as_str();
    let validity = Validity { not_after: grant.validity.not_after.min(authority_ends), ..grant.validity };
    let mut params = blank(validity, random_serial()?);
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match grant.identity.role {
        Role::Agent => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Controller => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    let text = |text: String| text.try_into().map_err(Error::signing("write a name into a certificate"));
    params.subject_alt_names = vec![SanType::URI(text(grant.identity.to_string())?)];
    if grant.identity.role == Role::Agent {
        params.subject_alt_names.push(SanType::DnsName(text(name.to_owned())?));
    }
    for team in grant.teams {
        params.subject_alt_names.push(SanType::URI(text(team_uri(team))?));
    }
    for address in grant.addresses {
        params.subject_alt_names.push(match address {
            Address::Dns(name) => SanType::DnsName(text(name.as_ref().to_owned())?),
            Address::Ip(ip) => SanType::IpAddress(*ip),
        });
    }
    Ok(params)
}

fn blank(validity: Validity, serial: Vec<u8>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date(validity.not_before);
    params.not_after = date(validity.not_after);
    params.serial_number = Some(SerialNumber::from(serial));
    params
}

fn random_serial() -> Result<Vec<u8>, Error> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial)
        .map_err(|_| Error::Certificate("no random numbers to be had".to_owned()))?;
    // A serial is a positive number: with the first bit set it would need one byte more.
    serial[0] &= 0x7f;
    Ok(serial.to_vec())
}

pub(crate) fn date(timestamp: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(timestamp.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_random_positive_and_long() {
        let serials: Vec<_> = (0..50).map(|_| random_serial().unwrap()).collect();
        assert!(serials.iter().all(|serial| serial.len() == 16 && serial[0] < 0x80));
        assert!(serials.iter().all(|one| serials.iter().filter(|other| one == *other).count() == 1));
    }
}
