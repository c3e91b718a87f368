//! What two sides that believe each other agree on.

use std::sync::Arc;

use certs::tls::{self, ClientSide, Judge, Reason};
use certs::{Algorithm, Authority, Role};
use rustls_pki_types::ServerName;
use tokio::io::duplex;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::meeting::{Case, PROTOCOL, shake};

#[tokio::test]
async fn another_protocol_is_refused() {
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let server = tls::server_config(&Case::good(Role::Agent).credentials(&authority), b"test/2").unwrap();
    let controller = Case::good(Role::Controller).credentials(&authority);
    let client = ClientSide::new(&controller, PROTOCOL).unwrap().config(None);
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
    let client = client.config(Some("web-1".parse().unwrap()));
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
