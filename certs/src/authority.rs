//! Makes the authority, and signs with it. Only what is granted here ever stands in a certificate.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use aws_lc_rs::signature::Ed25519KeyPair;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
    SanType, SerialNumber,
};
use rustls_pki_types::{
    CertificateDer, CertificateSigningRequestDer, DnsName, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use time::OffsetDateTime;

use crate::identity::{not_after, team_uri};
use crate::{Credentials, Error, Identity, Name, Role};

/// Clocks differ. A certificate is valid from this long before it was signed.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

const AUTHORITY_DAYS: u32 = 3650;

/// The kinds of key an authority or identity can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// The cheapest handshake.
    #[default]
    Ed25519,
    /// For places that demand a NIST curve.
    P256,
}

/// Where an agent can be reached, as it stands in its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// By name.
    Dns(DnsName<'static>),
    /// By number.
    Ip(IpAddr),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address, Error> {
        if let Ok(ip) = text.parse() {
            return Ok(Address::Ip(ip));
        }
        DnsName::try_from(text.to_owned()).map(Address::Dns).map_err(|_| Error::Address(text.to_owned()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Dns(name) => f.write_str(name.as_ref()),
            Address::Ip(ip) => ip.fmt(f),
        }
    }
}

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// So many days from now, and a little into the past.
    pub fn days(days: u32) -> Validity {
        Validity::lasting(SignedDuration::from_hours(24 * i64::from(days)))
    }

    /// For this long from now, and a little into the past.
    pub fn lasting(life: SignedDuration) -> Validity {
        let now = Timestamp::now();
        Validity {
            not_before: now.saturating_sub(BACKDATED).unwrap_or(now),
            not_after: now.saturating_add(life).unwrap_or(now),
        }
    }
}

/// All that the authority lets a certificate say.
#[derive(Debug)]
pub struct Grant<'a> {
    /// Whose it is. Decides the extended key usage.
    pub identity: &'a Identity,
    /// The teams that a controller belongs to; empty for agents.
    pub teams: &'a [Name],
    /// Where it can be reached; empty for controllers.
    pub addresses: &'a [Address],
    /// How long it holds.
    pub validity: Validity,
}

/// The fleet's certificate authority. Its key never leaves the machine it was made on.
pub struct Authority {
    certificate: CertificateDer<'static>,
    not_after: Timestamp,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(key redacted)")
    }
}

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn create(algorithm: Algorithm) -> Result<Authority, Error> {
        let key = new_key(algorithm)?;
        let serial = random_serial()?;
        let mut params = blank(Validity::days(AUTHORITY_DAYS), serial.clone());
        // Two authorities of one name would be told apart only by a broken signature, which says nothing to a person.
        let label: String = serial.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name.push(DnType::CommonName, format!("rollcall authority {label}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(Error::signing("make an authority"))?;
        Authority::new(certificate.der().clone(), key)
    }

    /// Puts a certificate and its key together.
    pub(crate) fn new(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Authority, Error> {
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(Error::signing("use the authority"))?;
        Ok(Authority { not_after: not_after(&certificate)?, certificate, issuer })
    }

    /// The certificate that everybody who trusts this authority holds.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(crate) fn key_der(&self) -> &[u8] {
        self.issuer.key().serialized_der()
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Until when it can sign, and is believed.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Signs a request. What the request asks for is thrown away but for its key: a request may ask to be an authority,
    /// or to be somebody else, and the library would sign that as it stands.
    ///
    /// # Errors
    /// The request is not signed by its own key, the authority has ended, or signing failed.
    pub fn sign(&self, request: &[u8], grant: &Grant<'_>) -> Result<CertificateDer<'static>, Error> {
        let request = CertificateSigningRequestDer::from(request);
        let mut request = CertificateSigningRequestParams::from_der(&request)
            .map_err(Error::signing("read the request"))?;
        if self.not_after < Timestamp::now() {
            return Err(Error::Certificate(format!("the authority itself ended at {}", self.not_after)));
        }
        request.params = granted(grant)?;
        // Nobody would believe it for longer.
        request.params.not_after = date(grant.validity.not_after.min(self.not_after));
        let certificate = request.signed_by(&self.issuer).map_err(Error::signing("sign the certificate"))?;
        Ok(certificate.der().clone())
    }

    /// Makes a key and signs a certificate for it.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn issue(&self, algorithm: Algorithm, grant: &Grant<'_>) -> Result<Credentials, Error> {
        let key = new_key(algorithm)?;
        let request = CertificateParams::default()
            .serialize_request(&key)
            .map_err(Error::signing("write the signing request"))?;
        let certificate = self.sign(request.der(), grant)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Credentials::new(key, certificate, vec![self.certificate.clone()])
    }
}

pub(crate) fn new_key(algorithm: Algorithm) -> Result<KeyPair, Error> {
    match algorithm {
        Algorithm::Ed25519 => {
            // The library's own way writes version 2 of PKCS #8, which OpenSSL and all that is built on it cannot read.
            let failed = |_| Error::Certificate("no key could be made".to_owned());
            let key = Ed25519KeyPair::generate().map_err(failed)?;
            let document = key.to_pkcs8v1().map_err(failed)?;
            let document = PrivatePkcs8KeyDer::from(document.as_ref());
            KeyPair::from_pkcs8_der_and_sign_algo(&document, &PKCS_ED25519)
                .map_err(Error::signing("make a key"))
        }
        Algorithm::P256 => {
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::signing("make a key"))
        }
    }
}

fn granted(grant: &Grant<'_>) -> Result<CertificateParams, Error> {
    let name = grant.identity.name.as_str();
    let mut params = blank(grant.validity, random_serial()?);
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
    use crate::Peer;
    use x509_parser::prelude::{FromDer, X509Certificate};

    fn grant(identity: &Identity) -> Grant<'_> {
        Grant { identity, teams: &[], addresses: &[], validity: Validity::days(1) }
    }

    #[test]
    fn a_greedy_request_gets_only_what_is_granted() {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let key = new_key(Algorithm::P256).unwrap();
        let mut greedy = CertificateParams::new(["evil.example".to_owned()]).unwrap();
        greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        greedy.subject_alt_names.push(SanType::URI("rollcall://controller/root".try_into().unwrap()));
        let request = greedy.serialize_request(&key).unwrap();

        let identity = Identity::agent("web-1".parse().unwrap());
        let certificate = authority.sign(request.der(), &grant(&identity)).unwrap();

        assert_eq!(Peer::read(&certificate).unwrap().identity, identity);
        let (_, parsed) = X509Certificate::from_der(&certificate).unwrap();
        assert!(!parsed.is_ca());
        let usage = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth);
        assert!(!parsed.key_usage().unwrap().unwrap().value.key_cert_sign());
        assert!(!certificate.windows(4).any(|bytes| bytes == b"evil"));
    }

    #[test]
    fn teams_and_the_serial_are_read_back() {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let identity = Identity::controller("alice".parse().unwrap());
        let teams = ["ops".parse().unwrap(), "db".parse().unwrap()];
        let issue = || {
            let grant = Grant { teams: &teams, ..grant(&identity) };
            authority.issue(Algorithm::Ed25519, &grant).unwrap().own().clone()
        };
        let (one, other) = (issue(), issue());
        assert_eq!(one.identity, identity);
        assert_eq!(one.teams, teams);
        assert_ne!(one.serial, other.serial);
        assert!(one.serial.to_string().len() >= 28, "{}", one.serial);
    }

    #[test]
    fn nothing_outlives_its_authority() {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let identity = Identity::agent("web-1".parse().unwrap());
        let grant =
            Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(100_000) };
        let credentials = authority.issue(Algorithm::Ed25519, &grant).unwrap();
        assert_eq!(credentials.own().not_after, authority.not_after());
        let ended = Authority { not_after: Timestamp::now() - SignedDuration::from_secs(1), ..authority };
        let said = ended.issue(Algorithm::Ed25519, &grant).unwrap_err().to_string();
        assert!(said.starts_with("the authority itself ended at "), "{said}");
    }

    #[test]
    fn a_request_must_prove_its_key() {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        let key = new_key(Algorithm::Ed25519).unwrap();
        let mut request = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
        *request.last_mut().unwrap() ^= 1;
        let identity = Identity::agent("web-1".parse().unwrap());
        assert!(matches!(authority.sign(&request, &grant(&identity)), Err(Error::Signing { .. })));
    }

    #[test]
    fn serials_are_random_positive_and_long() {
        let serials: Vec<_> = (0..50).map(|_| random_serial().unwrap()).collect();
        assert!(serials.iter().all(|serial| serial.len() == 16 && serial[0] < 0x80));
        assert!(serials.iter().all(|one| serials.iter().filter(|other| one == *other).count() == 1));
    }

    #[test]
    fn debug_shows_no_key() {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        assert_eq!(format!("{authority:?}"), "Authority(key redacted)");
    }
}
