//! Nobody is what his certificate does not say, and nobody comes without one.

use std::sync::Arc;

use certs::tls::{self, ClientSide, Judge, Reason};
use certs::{Algorithm, Authority, Credentials, Role, Signed};
use rcgen::{ExtendedKeyUsagePurpose, ExtendedKeyUsagePurpose as EKU, SanType};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::meeting::{Case, PROTOCOL, shake};

#[test]
fn our_own_programs_refuse_to_be_what_they_are_not() {
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let agent = Case::good(Role::Agent).credentials(&authority);
    let controller = Case::good(Role::Controller).credentials(&authority);
    assert!(tls::server_config(&controller, PROTOCOL).is_err());
    assert!(ClientSide::new(&agent, PROTOCOL).is_err());
}

/// An authority in the hands of somebody who signs what ours never would: any role with any usage.
struct Careless {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    root: CertificateDer<'static>,
}

impl Careless {
    fn new() -> Careless {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Careless { issuer: rcgen::Issuer::new(params, key), root }
    }

    fn sign(
        &self,
        names: &[&str],
        usages: &[ExtendedKeyUsagePurpose],
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["web-1".to_owned()]).unwrap();
        let uri = |name: &&str| SanType::URI((*name).try_into().unwrap());
        params.subject_alt_names.extend(names.iter().map(uri));
        params.extended_key_usages = usages.to_vec();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    fn credentials(&self, role: Role) -> Credentials {
        let name = Case::good(role).identity.to_string();
        let usage = if role == Role::Agent { EKU::ServerAuth } else { EKU::ClientAuth };
        let (certificate, key) = self.sign(&[&name], &[usage]);
        Credentials::new(
            key,
            Signed { certificate, authorities: vec![self.root.clone()], vouchers: Vec::new() },
        )
        .unwrap()
    }

    fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        roots
    }
}

const AGENT: &str = "rollcall://agent/web-1";
const ALICE: &str = "rollcall://controller/alice";

/// Names and usages in a certificate, and why a controller and an agent must not be that.
type Usage = (&'static [&'static str], &'static [ExtendedKeyUsagePurpose], Option<Reason>, Option<Reason>);

const USAGES: [Usage; 9] = [
    (&[ALICE], &[EKU::ClientAuth], None, Some(Reason::WrongRole)),
    (&[AGENT], &[EKU::ServerAuth], Some(Reason::WrongRole), None),
    (&[ALICE], &[EKU::ServerAuth], Some(Reason::WrongRole), Some(Reason::WrongRole)),
    (&[AGENT], &[EKU::ClientAuth], Some(Reason::WrongRole), Some(Reason::WrongRole)),
    (&[AGENT], &[EKU::ClientAuth, EKU::ServerAuth], Some(Reason::WrongRole), Some(Reason::WrongRole)),
    (&[AGENT], &[], Some(Reason::WrongRole), Some(Reason::WrongRole)),
    (&[ALICE], &[], Some(Reason::WrongRole), Some(Reason::WrongRole)),
    (&[ALICE, AGENT], &[EKU::ClientAuth, EKU::ServerAuth], Some(Reason::Nameless), Some(Reason::Nameless)),
    (&[], &[EKU::ClientAuth, EKU::ServerAuth], Some(Reason::Nameless), Some(Reason::Nameless)),
];

#[tokio::test]
async fn role_and_usage_must_agree_on_both_sides() {
    let careless = Careless::new();
    for (names, usages, as_controller, as_agent) in USAGES {
        // A thief does not use our client: this is one that shows whatever it has.
        let (certificate, key) = careless.sign(names, usages);
        let mut client = rustls::ClientConfig::builder_with_provider(Arc::new(tls::provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(careless.roots())
            .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
            .unwrap();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        let server = tls::server_config(&careless.credentials(Role::Agent), PROTOCOL).unwrap();
        let (client, server) = shake(server, client, "web-1").await;
        assert_eq!(
            server,
            as_controller.clone().map_or(Ok(()), |reason| Err((Judge::Us, reason))),
            "{names:?} {usages:?}"
        );
        assert_eq!(
            client,
            as_controller.map_or(Ok(()), |reason| Err((Judge::Peer, reason))),
            "{names:?} {usages:?}"
        );

        // Nor does a thief use our server.
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::new(tls::provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let client = ClientSide::new(&careless.credentials(Role::Controller), PROTOCOL).unwrap().config(None);
        let (client, _) = shake(server, client, "web-1").await;
        assert_eq!(
            client,
            as_agent.map_or(Ok(()), |reason| Err((Judge::Us, reason))),
            "{names:?} {usages:?}"
        );
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_certificate() {
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(Arc::new(tls::provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = tls::server_config(&Case::good(Role::Agent).credentials(&authority), PROTOCOL).unwrap();
    let (client, server) = shake(server, client, "web-1").await;
    assert_eq!(server, Err((Judge::Us, Reason::NoCertificate)));
    assert_eq!(client, Err((Judge::Peer, Reason::NoCertificate)));
}
