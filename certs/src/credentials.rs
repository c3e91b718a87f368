//! What one program holds: its key, its certificate, and the authority it trusts.

use std::fmt;

use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::identity::{Peer, is_authority};
use crate::{Error, tls};

/// A key, the certificate that belongs to it, and the authorities whose other identities are believed.
pub struct Credentials {
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    own: Peer,
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
    pub fn new(
        key: PrivateKeyDer<'static>,
        certificate: CertificateDer<'static>,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Credentials, Error> {
        let own = Peer::read(&certificate)?;
        if authorities.is_empty() {
            return Err(Error::Certificate("there is no authority's certificate".to_owned()));
        }
        for authority in &authorities {
            if !is_authority(authority)? {
                return Err(Error::Certificate(
                    "the authority's certificate is not one of an authority".to_owned(),
                ));
            }
        }
        let credentials = Credentials { key, certificate, authorities, own };
        credentials.certified_key()?;
        Ok(credentials)
    }

    /// Whose credentials these are, and how long they hold.
    pub fn own(&self) -> &Peer {
        &self.own
    }

    /// Takes them apart again.
    pub fn into_key_and_certificate(self) -> (PrivateKeyDer<'static>, CertificateDer<'static>) {
        (self.key, self.certificate)
    }

    /// The form in which TLS takes them.
    pub(crate) fn certified_key(&self) -> Result<CertifiedKey, Error> {
        let mismatch = |error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Error::Certificate("the key does not belong to the certificate".to_owned())
            }
            other => Error::Tls(other),
        };
        let chain = vec![self.certificate.clone()];
        CertifiedKey::from_der(chain, self.key.clone_key(), &tls::provider()).map_err(mismatch)
    }
}
