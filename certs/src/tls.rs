//! The two TLS configurations.
//!
//! TLS 1.3 only, the post-quantum exchange first. No resumption and no tickets: a resumed session skips the client's
//! certificate, so an expired or revoked one would get in.

pub mod adoption;
mod verdict;

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, RootCertStore,
    ServerConfig, SignatureScheme,
};

use x509_parser::prelude::X509Certificate;

use verdict::misnamed;
pub use verdict::{Judge, Reason, explain};

use crate::certificate::{holds, is_for, parse};
pub use crate::provider::provider;
use crate::{Credentials, Error, Name, Peer, Revocations, Role};

/// How an agent takes connections: only controllers of its authority get in.
///
/// # Errors
/// The credentials are not an agent's, or cannot be used.
pub fn server_config(credentials: &Credentials, protocol: &[u8]) -> Result<ServerConfig, Error> {
    demand(credentials, Role::Agent)?;
    let provider = Arc::new(provider());
    let chains =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(credentials)?), Arc::clone(&provider))
            .clear_root_hint_subjects()
            .build()
            .map_err(|error| {
                Error::Certificate(format!("the authority's certificate cannot be used: {error}"))
            })?;
    let key = credentials.signing();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(ControllersOnly {
            chains,
            revocations: Arc::clone(&credentials.revocations),
        }))
        .with_cert_resolver(Arc::new(key));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// How a controller makes connections. Made once, it fits any number of agents.
#[derive(Clone)]
pub struct ClientSide {
    verifier: AgentsOnly,
    /// For whichever agent's certificate holds the address that was dialled.
    any: Arc<ClientConfig>,
}

impl ClientSide {
    /// Prepares what all connections share.
    ///
    /// # Errors
    /// The credentials are not a controller's, or cannot be used.
    pub fn new(credentials: &Credentials, protocol: &[u8]) -> Result<ClientSide, Error> {
        demand(credentials, Role::Controller)?;
        let provider = Arc::new(provider());
        let verifier = AgentsOnly {
            expected: None,
            roots: Arc::new(roots(credentials)?),
            revocations: Arc::clone(&credentials.revocations),
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.clone()))
            .with_client_cert_resolver(Arc::new(credentials.signing()));
        config.resumption = Resumption::disabled();
        // The name of the machine is nobody's business on the way.
        config.enable_sni = false;
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(ClientSide { verifier, any: Arc::new(config) })
    }

    /// The configuration for one agent: the one of this name, or with `None` whichever agent's certificate holds the
    /// address that was dialled.
    pub fn config(&self, expected: Option<Name>) -> Arc<ClientConfig> {
        if expected.is_none() {
            return Arc::clone(&self.any);
        }
        let mut config = ClientConfig::clone(&self.any);
        config
            .dangerous()
            .set_certificate_verifier(Arc::new(AgentsOnly { expected, ..self.verifier.clone() }));
        Arc::new(config)
    }
}

/// What the other side of a handshake would say of these credentials.
pub(crate) fn judge(credentials: &Credentials, role: Role) -> Result<(), rustls::Error> {
    let certificate = &credentials.signed.certificate;
    check_role(&read(certificate)?, role)?;
    let roots = Arc::new(roots(credentials).map_err(|_| CertificateError::BadEncoding)?);
    match role {
        Role::Agent => verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(certificate)?,
            &roots,
            &[],
            UnixTime::now(),
            provider().signature_verification_algorithms.all,
        ),
        Role::Controller => WebPkiClientVerifier::builder_with_provider(roots, Arc::new(provider()))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_client_cert(certificate, &[], UnixTime::now())
            .map(|_| ()),
    }
}

/// What the other side of a connection has shown, its own certificate first.
#[derive(Debug, Default)]
pub struct Shown(pub(crate) Vec<CertificateDer<'static>>);

impl Shown {
    /// In a handshake that is done.
    pub fn on(connection: &CommonState) -> Shown {
        Shown(connection.peer_certificates().unwrap_or_default().to_vec())
    }
}

/// Who is at the other end of a connection whose handshake is done.
pub fn peer(connection: &CommonState) -> Option<Peer> {
    Peer::read(connection.peer_certificates()?.first()?).ok()
}

fn demand(credentials: &Credentials, role: Role) -> Result<(), Error> {
    let own = &credentials.own().identity;
    if own.role == role {
        return Ok(());
    }
    let (found, name) = (own.role, &own.name);
    Err(Error::Certificate(format!("this is the identity of {found} `{name}`, and not of any {role}")))
}

fn roots(credentials: &Credentials) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // The library does not look at an authority's own dates. Where all have ended, a handshake says so better.
    let all = credentials.authorities();
    let some_hold = all.iter().any(holds);
    for authority in all.iter().filter(|authority| !some_hold || holds(authority)) {
        roots.add(authority.clone())?;
    }
    Ok(roots)
}

#[derive(Debug)]
struct ControllersOnly {
    chains: Arc<dyn ClientCertVerifier>,
    revocations: Arc<Revocations>,
}

impl ClientCertVerifier for ControllersOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chains.verify_client_cert(certificate, intermediates, now)?;
        let presented = check_role(&read(certificate)?, Role::Controller)?;
        check_revoked(&presented, &self.revocations)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

#[derive(Debug, Clone)]
struct AgentsOnly {
    expected: Option<Name>,
    roots: Arc<RootCertStore>,
    revocations: Arc<Revocations>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AgentsOnly {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        dialled: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let read = read(certificate);
        // What signs itself is no identity of ours, and the library has a stranger word for it.
        if read.as_ref().is_ok_and(|read| read.is_ca()) {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        let presented = check_role(&read?, Role::Agent)?;
        check_revoked(&presented, &self.revocations)?;
        let presented = presented.identity;
        match &self.expected {
            Some(expected) if *expected != presented.name => Err(misnamed(presented)),
            Some(_) => Ok(ServerCertVerified::assertion()),
            None => verify_server_name(&parsed, dialled)
                .map(|()| ServerCertVerified::assertion())
                .map_err(|_| misnamed(presented)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn check_revoked(peer: &Peer, revocations: &Revocations) -> Result<(), rustls::Error> {
    if revocations.contains(&peer.serial) { Err(CertificateError::Revoked.into()) } else { Ok(()) }
}

fn read<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, rustls::Error> {
    parse(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn check_role(certificate: &X509Certificate<'_>, role: Role) -> Result<Peer, rustls::Error> {
    let peer = Peer::of(certificate).map_err(|_| CertificateError::BadEncoding)?;
    if peer.identity.role != role || !is_for(certificate, role) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    Ok(peer)
}
