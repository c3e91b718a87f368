//! Certificates for a whole fleet. They share one key, which takes most of the time that making an identity takes; no client
//! can tell.

use std::path::Path;
use std::sync::Arc;

use bench::{Error, street, tls};
use certs::{Address, Algorithm, Authority, Grant, Identity, Pending, Role, Validity};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};

const DAYS: u32 = 30;

/// What all identities of the fleet share.
pub(crate) struct Identities {
    authority: Authority,
    stranger: Authority,
    request: Vec<u8>,
    key: Arc<dyn SigningKey>,
    /// With a certificate of nobody's, which is replaced.
    blank: ServerConfig,
}

impl Identities {
    /// Takes the authority in this file to sign them.
    pub(crate) fn of(authority: &Path) -> Result<Identities, Error> {
        let authority = Authority::load(authority)?;
        let pending = Pending::create(Algorithm::Ed25519, None)?;
        let request = pending.request().der().to_vec();
        let any = authority.sign(&request, &grant(&identity(0)?, &[]))?;
        let (key, certificate) = pending.complete(any, Role::Agent)?.into_key_and_certificate();
        let key = any_supported_type(&key)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone())?;
        let blank = tls::server_of(roots, CertifiedKey::new(vec![certificate], Arc::clone(&key)))?;
        Ok(Identities { authority, stranger: Authority::create(Algorithm::Ed25519)?, request, key, blank })
    }

    /// How the machine of this number takes connections.
    pub(crate) fn config(&self, number: usize) -> Result<Arc<ServerConfig>, Error> {
        self.signed_by(&self.authority, number)
    }

    /// The same with a certificate that nobody here believes.
    pub(crate) fn of_another_authority(&self, number: usize) -> Result<Arc<ServerConfig>, Error> {
        self.signed_by(&self.stranger, number)
    }

    fn signed_by(&self, authority: &Authority, number: usize) -> Result<Arc<ServerConfig>, Error> {
        let addresses = [Address::Ip(street::address(number).into())];
        let signed = authority.sign(&self.request, &grant(&identity(number)?, &addresses))?;
        let key = CertifiedKey::new(vec![signed.certificate], Arc::clone(&self.key));
        let mut config = self.blank.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(key));
        Ok(Arc::new(config))
    }
}

fn identity(number: usize) -> Result<Identity, Error> {
    Ok(Identity::agent(street::name(number).parse()?))
}

fn grant<'a>(identity: &'a Identity, addresses: &'a [Address]) -> Grant<'a> {
    Grant { identity, teams: &[], addresses, validity: Validity::days(DAYS) }
}
