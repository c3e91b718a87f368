//! The floors' TLS: the product's cryptography and the product's certificates, with rustls's own verifiers.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::Error;

/// A bundle as the product writes it: the key, its certificate, then whom it trusts.
struct Bundle {
    key: PrivateKeyDer<'static>,
    own: CertificateDer<'static>,
    roots: RootCertStore,
}

impl Bundle {
    fn load(path: &Path) -> Result<Bundle, Error> {
        let text = std::fs::read(path)?;
        let key = PrivateKeyDer::from_pem_slice(&text)?;
        let mut certificates = CertificateDer::pem_slice_iter(&text);
        let own = certificates.next().ok_or("the bundle holds no certificate")??;
        let mut roots = RootCertStore::empty();
        for authority in certificates {
            roots.add(authority?)?;
        }
        Ok(Bundle { key, own, roots })
    }
}

/// For the client's side of a floor, and for the client that makes the load.
///
/// # Errors
/// The bundle cannot be read or used.
pub fn client_config(bundle: &Path) -> Result<ClientConfig, Error> {
    let Bundle { key, own, roots } = Bundle::load(bundle)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(certs::tls::provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![own], key)?;
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config.alpn_protocols = vec![protocol::ALPN.to_vec()];
    Ok(config)
}

/// For the server's side of a floor.
///
/// # Errors
/// The bundle cannot be read or used.
pub fn server_config(bundle: &Path) -> Result<ServerConfig, Error> {
    let Bundle { key, own, roots } = Bundle::load(bundle)?;
    let key = CertifiedKey::from_der(vec![own], key, &certs::tls::provider())?;
    server_of(roots, key)
}

/// As an agent does it, but that it takes every certificate of these authorities.
///
/// # Errors
/// There are no authorities.
pub fn server_of(roots: RootCertStore, key: CertifiedKey) -> Result<ServerConfig, Error> {
    let provider = Arc::new(certs::tls::provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .clear_root_hint_subjects()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![protocol::ALPN.to_vec()];
    Ok(config)
}
