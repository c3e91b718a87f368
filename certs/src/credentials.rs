//! What one program holds: its key, its certificate, and the authority it trusts.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::{any_ecdsa_type, any_eddsa_type};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, SignatureAlgorithm};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::certificate::{is_authority, is_voucher};
use crate::{Algorithm, Error, Peer, Revocations, Signed};

/// A key, the certificate that belongs to it, and the authorities whose other identities are believed.
pub struct Credentials {
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) signed: Signed,
    pub(crate) revocations: Arc<Revocations>,
    own: Peer,
    signing: Arc<CertifiedKey>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, key redacted)", self.own.identity)
    }
}

impl Credentials {
    /// Puts the parts together.
    ///
    /// # Errors
    /// The key is not the certificate's, the certificate names nobody, or an authority is none.
    pub fn new(key: PrivateKeyDer<'static>, signed: Signed) -> Result<Credentials, Error> {
        let own = Peer::read(&signed.certificate)?;
        if signed.authorities.is_empty() {
            return Err(Error::Certificate("there is no authority's certificate".to_owned()));
        }
        for authority in &signed.authorities {
            if !is_authority(authority)? || is_voucher(authority)? {
                return Err(Error::Certificate(
                    "the authority's certificate is not one of an authority".to_owned(),
                ));
            }
        }
        let signing = Arc::new(signing_key(&key, &signed)?);
        Ok(Credentials { key, signed, revocations: Arc::default(), own, signing })
    }

    /// The same, with what is known to be void.
    #[must_use]
    pub fn with_revocations(self, revocations: Arc<Revocations>) -> Credentials {
        Credentials { revocations, ..self }
    }

    /// What is known to be void.
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Whose credentials these are, and how long they hold.
    pub fn own(&self) -> &Peer {
        &self.own
    }

    /// Whose other identities are believed.
    pub fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.signed.authorities
    }

    /// The same identity, for one who believes these authorities and needs nobody to vouch for the first.
    ///
    /// # Errors
    /// One of them is none.
    pub fn believing(self, authorities: Vec<CertificateDer<'static>>) -> Result<Credentials, Error> {
        let signed = Signed { certificate: self.signed.certificate, authorities, vouchers: Vec::new() };
        Credentials::new(self.key, signed)
    }

    /// The kind of key.
    pub fn algorithm(&self) -> Algorithm {
        match self.signing.key.algorithm() {
            SignatureAlgorithm::ED25519 => Algorithm::Ed25519,
            _ => Algorithm::P256,
        }
    }

    /// Takes them apart again.
    pub fn into_key_and_certificate(self) -> (PrivateKeyDer<'static>, CertificateDer<'static>) {
        (self.key, self.signed.certificate)
    }

    /// The form in which TLS takes them.
    pub(crate) fn signing(&self) -> SingleCertAndKey {
        SingleCertAndKey::from(Arc::clone(&self.signing))
    }
}

/// Reads the key once, as what it most likely is: the library's own way tries RSA first, which costs a one-shot program a
/// tenth of its time.
fn signing_key(key: &PrivateKeyDer<'_>, signed: &Signed) -> Result<CertifiedKey, Error> {
    let unusable = |_| Error::Certificate("the key is neither of Ed25519 nor of P-256".to_owned());
    let eddsa = match key {
        PrivateKeyDer::Pkcs8(key) => any_eddsa_type(key).ok(),
        _ => None,
    };
    let loaded = eddsa.map_or_else(|| any_ecdsa_type(key), Ok).map_err(unusable)?;
    // Whoever believes only the authority before needs its word for this one.
    let shown = [std::slice::from_ref(&signed.certificate), &signed.vouchers].concat();
    let certified = CertifiedKey::new(shown, loaded);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(Error::Certificate("the key does not belong to the certificate".to_owned())),
    }
}
