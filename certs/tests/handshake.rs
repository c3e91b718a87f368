//! Role x authority x name x date: accepted, or exactly this reason, on both sides.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::sync::Arc;

use certs::tls::{self, ClientSide, Judge, Reason};
use certs::{
    Address, Algorithm, Authority, Credentials, Grant, Identity, Revocations, Role, Signed, Validity,
};
use jiff::{SignedDuration, Timestamp};
use rcgen::{ExtendedKeyUsagePurpose, ExtendedKeyUsagePurpose as EKU, SanType};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const PROTOCOL: &[u8] = b"test/1";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[derive(Clone, Copy, PartialEq)]
enum Dates {
    Good,
    Over,
    Ahead,
}

impl Dates {
    fn validity(self) -> Validity {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let (from, until) = match self {
            Dates::Good => (-HOUR, HOUR),
            Dates::Over => (HOUR * -2, -HOUR),
            Dates::Ahead => (HOUR, HOUR * 2),
        };
        Validity { not_before: now + from, not_after: now + until }
    }
}

struct Case {
    signed_by: Algorithm,
    identity: Identity,
    dates: Dates,
}

impl Case {
    fn good(role: Role) -> Case {
        let name = if role == Role::Agent { "web-1" } else { "alice" };
        Case {
            signed_by: Algorithm::Ed25519,
            identity: Identity { role, name: name.parse().unwrap() },
            dates: Dates::Good,
        }
    }

    fn credentials(&self, authority: &Authority) -> Credentials {
        let addresses: [Address; 1] = ["192.0.2.7".parse().unwrap()];
        let addresses = if self.identity.role == Role::Agent { &addresses[..] } else { &[] };
        let grant =
            Grant { identity: &self.identity, teams: &[], addresses, validity: self.dates.validity() };
        authority.issue(self.signed_by, &grant).unwrap()
    }
}

fn fault(error: &std::io::Error) -> (Judge, Reason) {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => tls::explain(error),
        None => panic!("not a TLS error: {error}"),
    }
}

type Verdict = Result<(), (Judge, Reason)>;

/// Shakes hands and sends one byte each way, as a request and its answer would go. Client's verdict, server's verdict.
async fn shake(
    server: rustls::ServerConfig,
    client: rustls::ClientConfig,
    dialled: &str,
) -> (Verdict, Verdict) {
    let (near, far) = duplex(64 * 1024);
    let dialled = ServerName::try_from(dialled.to_owned()).unwrap();
    let serve = async {
        let mut stream =
            TlsAcceptor::from(Arc::new(server)).accept(far).await.map_err(|error| fault(&error))?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await.map_err(|error| fault(&error))?;
        stream.write_all(&byte).await.map_err(|error| fault(&error))?;
        stream.flush().await.map_err(|error| fault(&error))
    };
    let ask = async {
        let connector = TlsConnector::from(Arc::new(client));
        let mut stream = connector.connect(dialled, near).await.map_err(|error| fault(&error))?;
        let _ = stream.write_all(b"x").await;
        let _ = stream.flush().await;
        stream.read_exact(&mut [0]).await.map(drop).map_err(|error| fault(&error))
    };
    tokio::join!(ask, serve)
}

fn date_reason(dates: Dates) -> Option<Reason> {
    match dates {
        Dates::Good => None,
        Dates::Over => Some(Reason::Expired(dates.validity().not_after)),
        Dates::Ahead => Some(Reason::NotYetValid(dates.validity().not_before)),
    }
}

/// Times move on while a test runs; a reason is compared without its seconds.
fn same(one: &Reason, other: &Reason) -> bool {
    let near = |a: &Timestamp, b: &Timestamp| (*a - *b).total(jiff::Unit::Second).unwrap().abs() < 60.0;
    match (one, other) {
        (Reason::Expired(a), Reason::Expired(b)) | (Reason::NotYetValid(a), Reason::NotYetValid(b)) => {
            near(a, b)
        }
        _ => one == other,
    }
}

/// Whom the controller means, what it dials, and whether that is this agent.
const MEANT: [(Option<&str>, &str, bool); 5] = [
    (Some("web-1"), "198.51.100.1", true),
    (Some("web-2"), "192.0.2.7", false),
    (None, "192.0.2.7", true),
    (None, "web-1", true),
    (None, "198.51.100.1", false),
];

const ALL_DATES: [Dates; 3] = [Dates::Good, Dates::Over, Dates::Ahead];

#[tokio::test]
async fn every_combination_is_accepted_or_refused_for_its_own_reason() {
    let ours = Authority::create(Algorithm::Ed25519).unwrap();
    let theirs = Authority::create(Algorithm::P256).unwrap();
    let mut seen = 0;
    for (agent_signer, controller_signer) in
        [(&ours, &ours), (&ours, &theirs), (&theirs, &ours), (&theirs, &theirs)]
    {
        for (agent_dates, controller_dates) in
            ALL_DATES.into_iter().flat_map(|one| ALL_DATES.map(|other| (one, other)))
        {
            for meant in MEANT {
                let agent = Case { dates: agent_dates, ..Case::good(Role::Agent) };
                let controller = Case { dates: controller_dates, ..Case::good(Role::Controller) };
                // Each side trusts our authority, whoever signed its own certificate.
                let sides = [
                    trusting(agent.credentials(agent_signer), &ours),
                    trusting(controller.credentials(controller_signer), &ours),
                ];
                let (named, dialled, is_meant) = meant;
                let server = tls::server_config(&sides[0], PROTOCOL).unwrap();
                let named = named.map(|name| name.parse().unwrap());
                let client = ClientSide::new(&sides[1], PROTOCOL).unwrap().config(named).unwrap();
                let verdicts = shake(server, client, dialled).await;

                let foreign = |signer: &Authority| signer.certificate() != ours.certificate();
                let of_agent = date_reason(agent_dates)
                    .or(foreign(agent_signer).then_some(Reason::UnknownAuthority))
                    .or((!is_meant).then(|| Reason::WrongName(agent.identity.clone())));
                let of_controller = date_reason(controller_dates)
                    .or(foreign(controller_signer).then_some(Reason::UnknownAuthority));
                judge(of_agent.as_ref(), of_controller.as_ref(), verdicts);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 180);
}

/// The client judges first: what is wrong with the agent hides what is wrong with the controller.
fn judge(of_agent: Option<&Reason>, of_controller: Option<&Reason>, (client, server): (Verdict, Verdict)) {
    match (of_agent, of_controller) {
        (Some(expected), _) => {
            let (judge, reason) = client.unwrap_err();
            assert_eq!(judge, Judge::Us);
            assert!(same(&reason, expected), "{reason:?} is not {expected:?}");
            assert_eq!(server.unwrap_err().0, Judge::Peer);
        }
        (None, Some(expected)) => {
            let (judge, reason) = server.unwrap_err();
            assert_eq!(judge, Judge::Us);
            assert!(same(&reason, expected), "{reason:?} is not {expected:?}");
            let heard = match expected {
                Reason::Expired(_) | Reason::NotYetValid(_) => Reason::OutsideDates,
                other => other.clone(),
            };
            assert_eq!(client.unwrap_err(), (Judge::Peer, heard));
        }
        (None, None) => assert_eq!((client, server), (Ok(()), Ok(()))),
    }
}

fn trusting(credentials: Credentials, authority: &Authority) -> Credentials {
    let (key, certificate) = credentials.into_key_and_certificate();
    Credentials::new(key, Signed { certificate, authorities: authority.believed(), vouchers: Vec::new() })
        .unwrap()
}

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
        let client =
            ClientSide::new(&careless.credentials(Role::Controller), PROTOCOL).unwrap().config(None).unwrap();
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

#[tokio::test]
async fn another_protocol_is_refused() {
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let server = tls::server_config(&Case::good(Role::Agent).credentials(&authority), b"test/2").unwrap();
    let controller = Case::good(Role::Controller).credentials(&authority);
    let client = ClientSide::new(&controller, PROTOCOL).unwrap().config(None).unwrap();
    let (client, server) = shake(server, client, "web-1").await;
    assert_eq!(server, Err((Judge::Us, Reason::NothingShared)));
    assert_eq!(client, Err((Judge::Peer, Reason::NothingShared)));
}

#[tokio::test]
async fn p256_is_served_and_the_exchange_is_post_quantum_without_resumption() {
    let authority = Authority::create(Algorithm::P256).unwrap();
    let agent = Case { signed_by: Algorithm::P256, ..Case::good(Role::Agent) };
    let controller = Case { signed_by: Algorithm::P256, ..Case::good(Role::Controller) };
    let server = tls::server_config(&agent.credentials(&authority), PROTOCOL).unwrap();
    assert_eq!(server.send_tls13_tickets, 0);
    assert!(!server.session_storage.can_cache());
    let client = ClientSide::new(&controller.credentials(&authority), PROTOCOL).unwrap();
    let client = Arc::new(client.config(Some("web-1".parse().unwrap())).unwrap());
    let server = Arc::new(server);
    for _ in 0..2 {
        let (near, far) = duplex(64 * 1024);
        let dialled = ServerName::try_from("web-1").unwrap();
        let (served, asked) = tokio::join!(
            TlsAcceptor::from(Arc::clone(&server)).accept(far),
            TlsConnector::from(Arc::clone(&client)).connect(dialled, near)
        );
        let (served, asked) = (served.unwrap(), asked.unwrap());
        let connection = asked.get_ref().1;
        assert_eq!(connection.handshake_kind(), Some(rustls::HandshakeKind::Full));
        let group = connection.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
        assert_eq!(tls::peer(connection).unwrap().identity, agent.identity);
        assert_eq!(tls::peer(served.get_ref().1).unwrap().identity, controller.identity);
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_by_either_side_at_once() {
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let credentials = |role| Case::good(role).credentials(&authority);
    let knowing = |role| credentials(role).with_revocations(Arc::new(Revocations::default()));
    let client = |credentials: &Credentials| {
        ClientSide::new(credentials, PROTOCOL).unwrap().config(Some("web-1".parse().unwrap())).unwrap()
    };
    let (agent, alice) = (knowing(Role::Agent), knowing(Role::Controller));
    let meet = async || {
        let server = tls::server_config(&agent, PROTOCOL).unwrap();
        shake(server, client(&alice), "web-1").await
    };
    assert_eq!(meet().await, (Ok(()), Ok(())));

    let other = authority.revoke(0, [&credentials(Role::Agent).own().serial]).unwrap();
    agent.revocations().take(other.clone()).unwrap();
    alice.revocations().take(other).unwrap();
    assert_eq!(meet().await, (Ok(()), Ok(())), "another certificate of that name is not concerned");

    // The same configuration as before: what is in force learns of it.
    let server = tls::server_config(&agent, PROTOCOL).unwrap();
    let asking = client(&alice);
    agent
        .revocations()
        .take(authority.revoke(agent.revocations().number(), [&alice.own().serial]).unwrap())
        .unwrap();
    let seen = shake(server, asking, "web-1").await;
    assert_eq!(seen, (Err((Judge::Peer, Reason::Revoked)), Err((Judge::Us, Reason::Revoked))));

    let bob = knowing(Role::Controller);
    bob.revocations().take(authority.revoke(2, [&agent.own().serial]).unwrap()).unwrap();
    let server = tls::server_config(&agent, PROTOCOL).unwrap();
    let seen = shake(server, client(&bob), "web-1").await;
    assert_eq!(seen.0, Err((Judge::Us, Reason::Revoked)));
}

/// How far one side has come while one authority takes the place of another.
const STAGES: [&str; 4] = ["before", "both", "alone", "after"];

#[tokio::test]
async fn while_an_authority_is_replaced_neighbouring_stages_believe_each_other() {
    for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
        let mut authority = Authority::create(algorithm).unwrap();
        let mut sides = Vec::new();
        for stage in STAGES {
            authority = match stage {
                "both" => authority.succeed(Algorithm::Ed25519).unwrap(),
                "alone" => authority.alone(),
                "after" => authority.settled(),
                _ => authority,
            };
            let [agent, controller] =
                [Role::Agent, Role::Controller].map(|role| Case::good(role).credentials(&authority));
            // As a machine keeps it, and as a controller does.
            let controller = match stage {
                "alone" => controller.believing(authority.believed()).unwrap(),
                _ => controller,
            };
            sides.push((agent, controller));
        }
        for (at, (agent, _)) in sides.iter().enumerate() {
            for (other, (_, controller)) in sides.iter().enumerate() {
                let server = tls::server_config(agent, PROTOCOL).unwrap();
                let named = Some("web-1".parse().unwrap());
                let client = ClientSide::new(controller, PROTOCOL).unwrap().config(named).unwrap();
                let (stage, others) = (STAGES[at], STAGES[other]);
                let seen = shake(server, client, "web-1").await;
                if at.abs_diff(other) <= 1 {
                    assert_eq!(seen, (Ok(()), Ok(())), "agent {stage}, controller {others}");
                } else if (at, other) == (0, 3) || (at, other) == (3, 0) || (at, other) == (0, 2) {
                    // Who never changed over is a stranger to whoever has forgotten the old authority.
                    let refused =
                        |verdict: Verdict| verdict.is_err_and(|(_, why)| why == Reason::UnknownAuthority);
                    assert!(refused(seen.0) && refused(seen.1), "agent {stage}, controller {others}");
                }
            }
        }
    }
}
