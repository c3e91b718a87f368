//! Makes the authority, and signs with it. Only what is granted here ever stands in a certificate.

mod params;

use std::fmt;

use aws_lc_rs::signature::Ed25519KeyPair;
use jiff::Timestamp;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::certificate::not_after;
use crate::{Credentials, Error, Fingerprint, Grant, Signed};

pub(crate) use params::date;

/// The kinds of key an authority or identity can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// The cheapest handshake.
    #[default]
    Ed25519,
    /// For places that demand a NIST curve.
    P256,
}

/// The fleet's certificate authority. Its key never leaves the machine it was made on.
pub struct Authority {
    signer: Signer,
    succession: Succession,
}

/// A key that signs, and the certificate that says so.
pub(crate) struct Signer {
    pub(crate) certificate: CertificateDer<'static>,
    fingerprint: Fingerprint,
    not_after: Timestamp,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

/// How an authority takes the place of another, by the word of the one before.
pub(crate) enum Succession {
    Settled,
    Both { voucher: CertificateDer<'static>, before: Box<Signer> },
    Alone { voucher: CertificateDer<'static> },
}

/// How far an authority has taken the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// There is one, and everybody knows it.
    Settled,
    /// Both are believed.
    Both,
    /// The new one alone is to be believed, and not everybody has been told.
    Alone,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(key redacted)")
    }
}

impl Signer {
    /// Puts a certificate and its key together.
    pub(crate) fn new(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Signer, Error> {
        let issuer =
            Issuer::from_ca_cert_der(&certificate, key).map_err(Error::signing("use the authority"))?;
        let (fingerprint, not_after) = (Fingerprint::of_certificate(&certificate)?, not_after(&certificate)?);
        Ok(Signer { certificate, fingerprint, not_after, issuer })
    }

    fn self_signed(params: &CertificateParams, algorithm: Algorithm) -> Result<Signer, Error> {
        let key = new_key(algorithm)?;
        let certificate = params.self_signed(&key).map_err(Error::signing("make an authority"))?;
        Signer::new(certificate.der().clone(), key)
    }

    fn demand_not_ended(&self) -> Result<(), Error> {
        if self.not_after < Timestamp::now() {
            return Err(Error::Certificate(format!("the authority itself ended at {}", self.not_after)));
        }
        Ok(())
    }
}

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    /// The cryptographic library failed.
    pub fn create(algorithm: Algorithm) -> Result<Authority, Error> {
        let signer = Signer::self_signed(&params::of_authority()?, algorithm)?;
        Ok(Authority { signer, succession: Succession::Settled })
    }

    pub(crate) fn new(signer: Signer, succession: Succession) -> Authority {
        Authority { signer, succession }
    }

    pub(crate) fn parts(&self) -> (&Signer, &Succession) {
        (&self.signer, &self.succession)
    }

    /// Makes the authority that takes the place of this one. Both are believed, until [`Authority::alone`].
    ///
    /// # Errors
    /// This one took the place of another that is not done with, it has ended, or the cryptographic library failed.
    pub fn succeed(self, algorithm: Algorithm) -> Result<Authority, Error> {
        if self.stage() != Stage::Settled {
            return Err(Error::Certificate("the authority before is not done with".to_owned()));
        }
        let before = self.signer;
        before.demand_not_ended()?;
        let params = params::of_authority()?;
        let signer = Signer::self_signed(&params, algorithm)?;
        let voucher = params::of_voucher(params, before.not_after.min(signer.not_after))?
            .signed_by(signer.issuer.key(), &before.issuer)
            .map_err(Error::signing("vouch for the new authority"))?;
        let succession = Succession::Both { voucher: voucher.der().clone(), before: Box::new(before) };
        Ok(Authority { signer, succession })
    }

    /// How far it has taken the place of another.
    pub fn stage(&self) -> Stage {
        match self.succession {
            Succession::Settled => Stage::Settled,
            Succession::Both { .. } => Stage::Both,
            Succession::Alone { .. } => Stage::Alone,
        }
    }

    /// The same without the key of the one before, which whoever gets a certificate from now on is told to forget.
    #[must_use]
    pub fn alone(self) -> Authority {
        let succession = match self.succession {
            Succession::Both { voucher, .. } => Succession::Alone { voucher },
            other => other,
        };
        Authority { succession, ..self }
    }

    /// The same when nobody needs to be told any more.
    #[must_use]
    pub fn settled(self) -> Authority {
        let succession = match self.succession {
            Succession::Alone { .. } => Succession::Settled,
            other => other,
        };
        Authority { succession, ..self }
    }

    /// All that are to be believed, this one first.
    pub fn believed(&self) -> Vec<CertificateDer<'static>> {
        let mut believed = vec![self.signer.certificate.clone()];
        if let Succession::Both { before, .. } = &self.succession {
            believed.push(before.certificate.clone());
        }
        believed
    }

    /// Who signs what all are to believe, also those who have not heard of the new one.
    pub(crate) fn known_to_all(&self) -> &Signer {
        match &self.succession {
            Succession::Both { before, .. } => before,
            Succession::Settled | Succession::Alone { .. } => &self.signer,
        }
    }

    /// The certificate that everybody who trusts this authority holds.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.signer.certificate
    }

    /// What people compare to be sure of it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.signer.fingerprint
    }

    /// Until when it can sign, and is believed.
    pub fn not_after(&self) -> Timestamp {
        self.signer.not_after
    }

    /// Signs a request. What the request asks for is thrown away but for its key: a request may ask to be an authority,
    /// or to be somebody else, and the library would sign that as it stands.
    ///
    /// # Errors
    /// The request is not signed by its own key, the authority has ended, or signing failed.
    pub fn sign(&self, request: &[u8], grant: &Grant<'_>) -> Result<Signed, Error> {
        let request = CertificateSigningRequestDer::from(request);
        let mut request = CertificateSigningRequestParams::from_der(&request)
            .map_err(Error::signing("read the request"))?;
        self.signer.demand_not_ended()?;
        request.params = params::of_identity(grant, self.not_after())?;
        let certificate =
            request.signed_by(&self.signer.issuer).map_err(Error::signing("sign the certificate"))?;
        let vouchers = match &self.succession {
            Succession::Settled => Vec::new(),
            Succession::Both { voucher, .. } | Succession::Alone { voucher } => vec![voucher.clone()],
        };
        Ok(Signed { certificate: certificate.der().clone(), authorities: self.believed(), vouchers })
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
        let signed = self.sign(request.der(), grant)?;
        Credentials::new(PrivateKeyDer::Pkcs8(key.serialize_der().into()), signed)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, Passphrase, Peer, Validity};
    use jiff::SignedDuration;
    use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
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
        let certificate = authority.sign(request.der(), &grant(&identity)).unwrap().certificate;

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
        let Authority { mut signer, succession } = authority;
        signer.not_after = Timestamp::now() - SignedDuration::from_secs(1);
        let ended = Authority { signer, succession };
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
    fn debug_shows_no_key() {
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        assert_eq!(format!("{authority:?}"), "Authority(key redacted)");
    }

    #[test]
    fn one_that_took_the_place_of_another_is_kept_in_one_file_at_every_stage() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        let passphrase = Passphrase::from(zeroize::Zeroizing::new(b"quite long".to_vec()));
        for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
            let old = Authority::create(algorithm).unwrap();
            let (old_certificate, list) = (old.certificate().clone(), old.revoke(0, []).unwrap());
            let both = old.succeed(Algorithm::Ed25519).unwrap();
            let believed = [both.certificate().clone(), old_certificate];
            assert_eq!(both.believed(), believed);
            assert!(both.revoke(list.number(), []).unwrap().is_of(&believed[1..]), "whom all believe signs");
            both.replace(&file, Some(&passphrase)).unwrap();
            assert!(matches!(Authority::load(&file), Err(Error::Protected(_))));
            let both = Authority::unlock(&file, &passphrase).unwrap();
            assert_eq!((both.believed(), both.stage()), (believed.to_vec(), Stage::Both));
            assert_eq!(Authority::believed_in(&file).unwrap(), (believed.to_vec(), Stage::Both));
            both.replace(&file, None).unwrap();

            let alone = Authority::load(&file).unwrap().alone();
            assert!(alone.revoke(list.number(), []).unwrap().is_of(&believed[..1]));
            alone.replace(&file, None).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(text.matches("PRIVATE KEY").count(), 2, "one key, with its begin and end: {text}");
            let alone = Authority::load(&file).unwrap();
            assert_eq!(alone.stage(), Stage::Alone);
            assert_eq!(alone.believed(), believed[..1]);
            alone.settled().replace(&file, None).unwrap();
            assert_eq!(Authority::load(&file).unwrap().stage(), Stage::Settled);
        }
        let twice = Authority::create(Algorithm::Ed25519).unwrap().succeed(Algorithm::Ed25519).unwrap();
        let said = twice.succeed(Algorithm::Ed25519).unwrap_err().to_string();
        assert_eq!(said, "the authority before is not done with");
    }
}
