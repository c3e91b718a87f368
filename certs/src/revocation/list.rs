//! One list: what stands in it, and who has signed it.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::authority::date;
use crate::certificate::fits;
use crate::{Authority, Error, Serial};

/// A list is good until there is a newer one: nobody checks its own end, for one that nobody renews would stop a fleet.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 3650);

/// Numbers are the clock's; one that leaves no room for the next would end all revocations.
const LARGEST: u64 = u64::MAX >> 1;

/// The largest list that is taken. It travels in one frame.
pub const MAX_BYTES: usize = 60 * 1024;

/// A list that an authority has signed.
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationList {
    der: CertificateRevocationListDer<'static>,
    number: u64,
    serials: BTreeSet<Serial>,
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationList({}, {} certificates)", self.number, self.serials.len())
    }
}

impl RevocationList {
    /// Reads a list, and believes it if one of these authorities signed it.
    ///
    /// # Errors
    /// It is no list, or somebody else's.
    pub fn read(der: &[u8], authorities: &[CertificateDer<'_>]) -> Result<RevocationList, Error> {
        let list = RevocationList::parse(der)?;
        if list.is_of(authorities) {
            Ok(list)
        } else {
            Err(fault("is signed by an authority that is not believed here"))
        }
    }

    /// Reads a list that nobody should believe yet.
    pub(crate) fn parse(der: &[u8]) -> Result<RevocationList, Error> {
        if der.len() > MAX_BYTES {
            return Err(fault("is larger than any that can be"));
        }
        let Ok(([], parsed)) = CertificateRevocationList::from_der(der) else {
            return Err(fault("is damaged"));
        };
        let number = parsed.crl_number().map(|number| number.to_bytes_be()).unwrap_or_default();
        if number.len() > 8 {
            return Err(fault("has a number that is none"));
        }
        let number = number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        if number > LARGEST {
            return Err(fault("has a number after which there would be none"));
        }
        let serials =
            parsed.iter_revoked_certificates().map(|revoked| Serial::new(revoked.raw_serial())).collect();
        Ok(RevocationList { der: der.to_vec().into(), number, serials })
    }

    /// Whether one of these authorities signed it.
    pub(crate) fn is_of(&self, authorities: &[CertificateDer<'_>]) -> bool {
        CertificateRevocationList::from_der(&self.der).is_ok_and(|(_, list)| {
            let (message, signature) = (list.tbs_cert_list.as_ref(), &list.signature_value.data);
            authorities.iter().any(|authority| fits(authority, message, signature))
        })
    }

    /// As it travels.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Each list has a larger number than the one before.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The certificates that are void.
    pub fn serials(&self) -> &BTreeSet<Serial> {
        &self.serials
    }
}

pub(super) fn fault(fault: &str) -> Error {
    Error::Certificate(format!("the revocation list {fault}"))
}

impl Authority {
    /// Signs a list that is newer than `number`. The clock is the number, in milliseconds: so a home that was taken from a backup
    /// signs none that nobody takes. While two authorities are believed, the one before signs: it is the one whom
    /// everybody believes.
    ///
    /// # Errors
    /// There are more certificates than a list holds, or the cryptographic library failed.
    pub fn revoke<'a>(
        &self,
        number: u64,
        serials: impl IntoIterator<Item = &'a Serial>,
    ) -> Result<RevocationList, Error> {
        let now = Timestamp::now();
        let number = u64::try_from(now.as_millisecond()).unwrap_or_default().max(number.saturating_add(1));
        let revoked_certs = serials
            .into_iter()
            .map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(serial.bytes().to_vec()),
                revocation_time: date(now),
                reason_code: None,
                invalidity_date: None,
            })
            .collect();
        let list = CertificateRevocationListParams {
            this_update: date(now),
            next_update: date(now.saturating_add(LIFE).unwrap_or(now)),
            crl_number: SerialNumber::from(number.to_be_bytes().to_vec()),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let by = self.known_to_all();
        let list = list.signed_by(&by.issuer).map_err(Error::signing("sign the revocation list"))?;
        RevocationList::parse(list.der())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Algorithm;

    #[test]
    fn what_is_signed_is_read_back_and_nobody_elses_is() {
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let [one, other] = [(), ()].map(|()| Authority::create(algorithm).unwrap());
            let serials = [1, 2, 3].map(|number| Serial::new(&[number, 7]));
            let far = LARGEST - 1;
            let list = one.revoke(far, &serials).unwrap();
            assert_eq!((list.number(), list.serials().len()), (far + 1, 3));
            assert!(list.serials().contains(&Serial::new(&[2, 7])));
            let authorities = [other.certificate().clone(), one.certificate().clone()];
            assert_eq!(RevocationList::read(list.der(), &authorities).unwrap(), list);
            let said = RevocationList::read(list.der(), &authorities[..1]).unwrap_err().to_string();
            assert_eq!(said, "the revocation list is signed by an authority that is not believed here");
            let mut changed = list.der().to_vec();
            let at = changed.windows(2).position(|bytes| bytes == [2, 7]).unwrap();
            changed[at] = 9;
            assert!(RevocationList::read(&changed, &authorities).is_err());
            assert_eq!(one.revoke(0, []).unwrap().serials().len(), 0);
        }
    }

    #[test]
    fn a_list_that_would_not_travel_is_not_signed() {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let many: Vec<Serial> = (0..5000_u32).map(|number| Serial::new(&number.to_be_bytes())).collect();
        assert!(authority.revoke(0, &many).unwrap_err().to_string().contains("larger than any"));
    }

    proptest! {
        #[test]
        fn no_bytes_crash_the_reader(bytes in any::<Vec<u8>>()) {
            prop_assert!(RevocationList::read(&bytes, &[]).is_err());
        }
    }
}
