//! What peers may use up: each limit is met on purpose, and everybody else is served meanwhile.

use std::time::Duration;

use agent::config::Limits;
use protocol::Kind;
use protocol::message::{Outcome, put_cancel};
use protocol::requests::echo::Echo;
use protocol::requests::uptime::Uptime;
use protocol::requests::watch::Watch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{Site, ask, many_descriptors, receive, refusal, send, send_head};

const SOON: Duration = Duration::from_millis(200);

fn forever() -> Watch {
    Watch { every_seconds: 3600.0, count: None, sections: vec![protocol::requests::info::Section::Memory] }
}

/// 1,500 sockets that never finish a handshake, then good requests: each of them must be served.
async fn served_beside(sources: impl Iterator<Item = String>, said: &[u8]) {
    many_descriptors();
    let site = Site::new(Limits { handshake: Duration::from_secs(60), ..Limits::default() }).await;
    let mut idle: Vec<TcpStream> = Vec::new();
    for source in sources {
        let mut socket = site.socket_from(&source).await;
        // The agent may have dropped it already, which is what it is for.
        let _ = socket.write_all(said).await;
        idle.push(socket);
    }
    assert_eq!(idle.len(), 1500);
    for id in 0..30 {
        let mut wire = site.connect_from("127.0.0.1", "alice").await;
        ask(&mut wire, id, Uptime {}).await;
    }
}

#[tokio::test]
async fn idle_sockets_of_one_source_lock_nobody_out() {
    served_beside((0..1500).map(|_| "127.9.9.9".to_owned()), b"").await;
}

#[tokio::test]
async fn idle_sockets_of_a_thousand_sources_lock_nobody_out() {
    served_beside((0..1500).map(|n| format!("127.7.{}.{}", n % 1000 / 250, n % 250 + 1)), b"").await;
}

#[tokio::test]
async fn sockets_that_begin_a_handshake_lock_nobody_out() {
    served_beside((0..1500).map(|n| format!("127.8.{}.1", n % 200)), b"\x16\x03\x01").await;
}

#[tokio::test]
async fn a_handshake_has_one_deadline() {
    let site = Site::new(Limits { handshake: SOON, ..Limits::default() }).await;
    let mut socket = site.socket_from("127.0.0.1").await;
    assert_eq!(socket.read(&mut [0; 64]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_no_tls_gets_an_alert_and_nothing_else() {
    let site = Site::new(Limits::default()).await;
    let mut socket = site.socket_from("127.0.0.1").await;
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    socket.read_to_end(&mut said).await.unwrap();
    // An alert record is 7 bytes; its first says so.
    assert!(said.len() == 7 && said[0] == 0x15, "{said:?}");
}

#[tokio::test]
async fn one_identity_cannot_take_all_connections() {
    let site = Site::new(Limits { connections_per_identity: 2, connections: 3, ..Limits::default() }).await;
    let mut held = Vec::new();
    for name in ["alice", "alice", "bob"] {
        let mut wire = site.connect(name).await;
        ask(&mut wire, 1, Uptime {}).await;
        held.push(wire);
    }
    let mut third_of_alice = site.connect("alice").await;
    let (id, refused) = refusal(&mut third_of_alice).await;
    assert_eq!((id, refused.kind), (None, Kind::TooManyConnections));
    let mut fourth = site.connect("carol").await;
    assert_eq!(refusal(&mut fourth).await.1.kind, Kind::TooManyConnections);
    assert!(receive(&mut fourth).await.is_none());

    // What is given back can be had again; the agent learns of the end when it learns of it.
    drop(held.remove(0));
    loop {
        let mut again = site.connect("alice").await;
        send(&mut again, 1, Uptime {}).await;
        if let Some((Some(1), _)) = receive(&mut again).await {
            break;
        }
    }
}

#[tokio::test]
async fn a_connection_has_only_so_many_requests_in_flight() {
    let site = Site::new(Limits { requests_in_flight: 2, ..Limits::default() }).await;
    let mut wire = site.connect("alice").await;
    for id in 1..=2 {
        send(&mut wire, id, forever()).await;
        assert_eq!(receive(&mut wire).await.unwrap().0, Some(id));
    }
    send(&mut wire, 3, forever()).await;
    let (id, refused) = refusal(&mut wire).await;
    assert_eq!((id, refused.kind), (Some(3), Kind::TooManyRequests));
    ask(&mut wire, 4, Uptime {}).await;
}

#[tokio::test]
async fn an_identity_has_only_so_many_requests_in_flight_on_all_its_connections() {
    let site = Site::new(Limits { requests_in_flight_per_identity: 2, ..Limits::default() }).await;
    let mut alices = Vec::new();
    for _ in 0..2 {
        let mut wire = site.connect("alice").await;
        send(&mut wire, 1, forever()).await;
        assert_eq!(receive(&mut wire).await.unwrap().0, Some(1));
        alices.push(wire);
    }
    let mut third = site.connect("alice").await;
    send(&mut third, 1, forever()).await;
    assert_eq!(refusal(&mut third).await.1.kind, Kind::TooManyRequests);
    // What takes no time is no burden, and others are not concerned.
    ask(&mut third, 2, Uptime {}).await;
    let mut bob = site.connect("bob").await;
    send(&mut bob, 1, forever()).await;
    assert_eq!(receive(&mut bob).await.unwrap().0, Some(1));
    // What is over is given back.
    put_cancel(alices[0].outbox(), 1).unwrap();
    alices[0].flush().await.unwrap();
    while !matches!(receive(&mut alices[0]).await, Some((Some(1), Outcome::Refusal(_)))) {}
    send(&mut third, 3, forever()).await;
    assert!(matches!(receive(&mut third).await, Some((Some(3), Outcome::Item(_)))));
}

#[tokio::test]
async fn half_a_frame_and_then_silence_is_ended() {
    let site = Site::new(Limits { rest_of_frame: SOON, ..Limits::default() }).await;
    for half in [&b"\0"[..], b"\0\0\0\x20", b"\0\0\0\x20\0\0\0\x10{\"id\""] {
        let mut wire = site.connect("alice").await;
        wire.outbox().extend_from_slice(half);
        wire.flush().await.unwrap();
        let (id, refused) = refusal(&mut wire).await;
        assert_eq!((id, refused.kind), (None, Kind::TimedOut));
        assert!(receive(&mut wire).await.is_none());
    }
}

#[tokio::test]
async fn an_idle_connection_is_ended_and_a_busy_one_is_not() {
    let site = Site::new(Limits { idle: SOON, ..Limits::default() }).await;
    let mut busy = site.connect("alice").await;
    send(&mut busy, 1, forever()).await;
    receive(&mut busy).await.unwrap();
    let mut idle = site.connect("bob").await;
    ask(&mut idle, 1, Uptime {}).await;
    let (id, refused) = refusal(&mut idle).await;
    assert_eq!((id, refused.kind), (None, Kind::TimedOut));
    assert!(receive(&mut idle).await.is_none());
    ask(&mut busy, 2, Uptime {}).await;
}

#[tokio::test]
async fn bytes_that_are_no_frame_are_refused_without_being_stored() {
    let site = Site::new(Limits { frame_bytes: 1024, ..Limits::default() }).await;
    for (bytes, kind) in [
        (&b"\xff\xff\xff\xff"[..], Kind::TooLarge),
        (b"\0\0\x04\x01", Kind::TooLarge),
        (b"GET / HTTP/1.1\r\n\r\n", Kind::TooLarge),
        (b"\0\0\0\0", Kind::BadMessage),
        (b"\0\0\0\x04\0\0\0\x09", Kind::BadMessage),
    ] {
        let mut wire = site.connect("alice").await;
        wire.outbox().extend_from_slice(bytes);
        wire.flush().await.unwrap();
        let (id, refused) = refusal(&mut wire).await;
        assert_eq!((id, refused.kind), (None, kind), "{bytes:?}");
        assert!(receive(&mut wire).await.is_none());
    }
    // The limit itself is no fault.
    let mut wire = site.connect("alice").await;
    let head = format!(r#"{{"id":1,"ask":"time","x":"{}"}}"#, "y".repeat(1024 - 4 - 28));
    assert_eq!(head.len(), 1020);
    send_head(&mut wire, &head).await;
    assert_eq!(receive(&mut wire).await.unwrap().0, Some(1));
}

#[tokio::test]
async fn a_peer_that_never_reads_is_ended() {
    let site = Site::new(Limits { write: SOON, ..Limits::default() }).await;
    let mut wire = site.connect("alice").await;
    let request = Echo { payload: vec![7; 60_000].into() };
    let flood = async {
        for id in 0.. {
            protocol::message::put_ask(wire.outbox(), id, &request).unwrap();
            if wire.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), flood).await.expect("the agent gave up on it");
    ask(&mut site.connect("bob").await, 1, Uptime {}).await;
}
