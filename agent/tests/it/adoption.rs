//! Adoption as a desk meets it, and as everybody else does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use agent::adoption::Adopted;
use agent::audit::Recording;
use agent::cli::StateFolder;
use agent::config::Policy;
use agent::state::State;
use agent::{Agent, adoption, cli, owner};
use certs::adoption::{Binding, Code, Side};
use certs::tls::adoption::client_config;
use certs::{Algorithm, Authority, Grant, Identity, Validity};
use protocol::adoption::{ALPN, FromAgent, ToAgent};
use protocol::{Kind, MAX_REPLY_FRAME, MessageStream};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

/// An agent that belongs to nobody.
struct Foundling {
    address: SocketAddr,
    folder: TempDir,
    waiting: JoinHandle<Option<Adopted>>,
    stop: CancellationToken,
}

impl Foundling {
    async fn new() -> Foundling {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State::new(folder.path());
        let alone = state.hold().unwrap();
        state.save_waiting(&[address]).unwrap();
        let stop = CancellationToken::new();
        let told = stop.clone();
        let audit = Recording { folder: Some(folder.path().join("audit")), ..Recording::default() };
        let policy = Policy { audit, ..Policy::default() };
        let waiting = tokio::spawn(async move {
            let _alone = alone;
            adoption::wait(&[listener], &state, &policy, &told).await.unwrap()
        });
        let found = Foundling { address, folder, waiting, stop };
        while !found.folder.path().join("adoption.address").exists() {
            tokio::task::yield_now().await;
        }
        found
    }

    /// What `agent code` prints, with the code in it.
    async fn code_for(&self, life: Duration) -> Code {
        let folder = StateFolder { state: self.folder.path().to_owned() };
        let flags = cli::Code { folder, life };
        let told = tokio::task::spawn_blocking(move || owner::code(&flags)).await.unwrap().unwrap();
        assert!(told.words.contains(&format!("  controller adopt {}\n", self.address)), "{}", told.words);
        told.code.trim().parse().unwrap()
    }

    async fn code(&self) -> Code {
        self.code_for(Duration::from_secs(3600)).await
    }

    async fn connect(&self) -> Desk {
        self.connect_from("127.0.0.1").await
    }

    async fn connect_from(&self, source: &str) -> Desk {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        let socket = socket.connect(self.address).await.unwrap();
        let config = Arc::new(client_config(ALPN).unwrap());
        let dialled = ServerName::from(self.address.ip());
        let stream = TlsConnector::from(config).connect(dialled, socket).await.unwrap();
        let binding = Binding::of(stream.get_ref().1).unwrap();
        Desk { stream: MessageStream::new(stream, MAX_REPLY_FRAME), binding }
    }

    fn is_adopted(&self) -> bool {
        self.folder.path().join("identity.bundle").exists()
    }
}

/// Somebody who wants to adopt.
struct Desk {
    stream: MessageStream<TlsStream<TcpStream>>,
    binding: Binding,
}

impl Desk {
    async fn say(&mut self, message: &ToAgent, tail: &[u8]) {
        protocol::adoption::put(self.stream.outbox(), message, tail).unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn hear(&mut self) -> (FromAgent, bytes::Bytes) {
        let frame = self.stream.receive().await.unwrap().expect("an answer");
        protocol::adoption::read(&frame).unwrap()
    }

    async fn claim(&mut self, code: &Code) {
        let proof = code.key().proof(Side::Controller, &self.binding);
        self.say(&ToAgent::Claim { proof }, &[]).await;
    }

    /// The signing request, of an agent that has proven the code too.
    async fn offer(&mut self, code: &Code) -> bytes::Bytes {
        self.claim(code).await;
        match self.hear().await {
            (FromAgent::Offer { proof, .. }, request) => {
                assert!(code.key().accepts(Side::Agent, &self.binding, &proof));
                request
            }
            other => panic!("no offer: {other:?}"),
        }
    }

    async fn refusal(&mut self) -> Kind {
        match self.hear().await.0 {
            FromAgent::Refusal(refusal) => refusal.kind,
            other => panic!("no refusal: {other:?}"),
        }
    }
}

fn papers(authority: &Authority, request: &[u8]) -> String {
    let identity = Identity::agent("web-1".parse().unwrap());
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
    authority.sign(request, &grant).unwrap().to_text()
}

fn authority() -> Authority {
    Authority::create(Algorithm::Ed25519).unwrap()
}

#[tokio::test]
async fn who_proves_the_code_adopts_and_the_key_never_travels() {
    let found = Foundling::new().await;
    let code = found.code().await;
    let mut desk = found.connect().await;
    let request = desk.offer(&code).await;
    assert!(!found.is_adopted());
    desk.say(&ToAgent::Belong {}, papers(&authority(), &request).as_bytes()).await;
    let (adopted, _) = desk.hear().await;
    assert!(matches!(&adopted, FromAgent::Adopted { name, .. } if name == "web-1"), "{adopted:?}");
    assert!(found.is_adopted());
    let adopted = found.waiting.await.unwrap().unwrap();
    assert_eq!(adopted.own().identity, Identity::agent("web-1".parse().unwrap()));
    let left: Vec<_> =
        std::fs::read_dir(found.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| name == "identity.bundle" || name == "audit"),
        "the code is gone: {left:?}"
    );

    let stop = CancellationToken::new();
    stop.cancel();
    Agent::adopted(adopted, vec![], Policy::default()).unwrap().serve(stop).await;
    let records = std::fs::read_to_string(found.folder.path().join("audit/current.jsonl")).unwrap();
    let events: Vec<&str> = records.lines().filter_map(|line| line.split('"').nth(9)).collect();
    assert_eq!(events, ["adopted", "started", "stopped"], "{records}");
    assert!(records.lines().next().unwrap().contains("rollcall://agent/web-1"), "{records}");
}

#[tokio::test]
async fn a_proof_of_another_code_or_another_connection_or_no_proof_is_refused_alike() {
    let found = Foundling::new().await;
    let wrong = Code::random().unwrap();
    let mut before_there_is_a_code = found.connect().await;
    before_there_is_a_code.claim(&wrong).await;
    assert_eq!(before_there_is_a_code.refusal().await, Kind::CodeNotAccepted);

    let code = found.code().await;
    let mut with_another_code = found.connect().await;
    with_another_code.claim(&wrong).await;
    assert_eq!(with_another_code.refusal().await, Kind::CodeNotAccepted);

    // What a machine in the middle could carry from one connection to another.
    let (here, mut elsewhere) = (found.connect().await, found.connect().await);
    let proof = code.key().proof(Side::Controller, &here.binding);
    elsewhere.say(&ToAgent::Claim { proof }, &[]).await;
    assert_eq!(elsewhere.refusal().await, Kind::CodeNotAccepted);

    let mut without_a_claim = found.connect().await;
    without_a_claim.say(&ToAgent::Belong {}, b"").await;
    assert_eq!(without_a_claim.refusal().await, Kind::CodeNotAccepted);
    assert!(!found.is_adopted());
}

#[tokio::test]
async fn an_expired_code_is_said_to_be_so_to_who_knows_it_alone() {
    let found = Foundling::new().await;
    let code = found.code().await;
    let kept = std::fs::read_to_string(found.folder.path().join("adoption.code")).unwrap();
    let (key, _) = kept.split_once("until").unwrap();
    let expired = format!("{key}until = \"2026-01-01T00:00:00Z\"\n");
    std::fs::write(found.folder.path().join("adoption.code"), expired).unwrap();
    let mut late = found.connect().await;
    late.claim(&code).await;
    assert_eq!(late.refusal().await, Kind::CodeExpired);
    let mut stranger = found.connect().await;
    stranger.claim(&Code::random().unwrap()).await;
    assert_eq!(stranger.refusal().await, Kind::CodeNotAccepted);
}

#[tokio::test]
async fn a_new_code_voids_the_old_one() {
    let found = Foundling::new().await;
    let (old, new) = (found.code().await, found.code().await);
    let mut desk = found.connect().await;
    desk.claim(&old).await;
    assert_eq!(desk.refusal().await, Kind::CodeNotAccepted);
    found.connect().await.offer(&new).await;
}

#[tokio::test]
async fn of_many_who_adopt_at_once_exactly_one_wins() {
    let found = Foundling::new().await;
    let code = found.code().await;
    let mut slow = found.connect().await;
    let mut desks = Vec::new();
    for _ in 0..16 {
        let mut desk = found.connect().await;
        let request = desk.offer(&code).await;
        desks.push((desk, authority(), request));
    }
    let mut tasks = Vec::new();
    for (mut desk, authority, request) in desks {
        tasks.push(tokio::spawn(async move {
            desk.say(&ToAgent::Belong {}, papers(&authority, &request).as_bytes()).await;
            desk.hear().await.0
        }));
    }
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            FromAgent::Adopted { .. } => won += 1,
            FromAgent::Refusal(refusal) => assert_eq!(refusal.kind, Kind::AlreadyAdopted),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(slow.refusal().await, Kind::AlreadyAdopted, "who has not even shown his proof is told too");
    assert!(found.waiting.await.unwrap().is_some());
}

#[tokio::test]
async fn papers_that_do_not_fit_leave_it_free_and_the_code_good() {
    let found = Foundling::new().await;
    let code = found.code().await;
    for papers_for in [None, Some(())] {
        let mut desk = found.connect().await;
        let request = desk.offer(&code).await;
        let wrong = match papers_for {
            None => "rubbish".to_owned(),
            Some(()) => {
                let mut another = found.connect().await;
                let request = another.offer(&code).await;
                papers(&authority(), &request)
            }
        };
        desk.say(&ToAgent::Belong {}, wrong.as_bytes()).await;
        assert_eq!(desk.refusal().await, Kind::Failed, "{request:?}");
    }
    assert!(!found.is_adopted());
    found.connect().await.offer(&code).await;
}

#[tokio::test]
async fn wrong_tries_slow_down_their_source_and_nobody_else() {
    let found = Foundling::new().await;
    let code = found.code().await;
    let wrong = Code::random().unwrap();
    for _ in 0..4 {
        let mut guesser = found.connect_from("127.0.0.2").await;
        guesser.claim(&wrong).await;
        assert_eq!(guesser.refusal().await, Kind::CodeNotAccepted);
    }
    let began = Instant::now();
    let mut guesser = found.connect_from("127.0.0.2").await;
    guesser.claim(&wrong).await;
    let mut desk = found.connect().await;
    desk.offer(&code).await;
    assert!(timeout(Duration::ZERO, guesser.stream.receive()).await.is_err(), "the guesser came first");
    assert_eq!(guesser.refusal().await, Kind::CodeNotAccepted);
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
}

#[tokio::test]
async fn wrong_tries_in_masses_do_not_void_the_code() {
    let found = Arc::new(Foundling::new().await);
    let code = found.code().await;
    let mut tries = Vec::new();
    for number in 0..200 {
        let found = Arc::clone(&found);
        tries.push(tokio::spawn(async move {
            let mut guesser = found.connect_from(&format!("127.0.3.{}", number + 1)).await;
            guesser.claim(&Code::random().unwrap()).await;
            assert_eq!(guesser.refusal().await, Kind::CodeNotAccepted);
        }));
    }
    found.connect().await.offer(&code).await;
    for one in tries {
        one.await.unwrap();
    }
    found.connect().await.offer(&code).await;
}

#[tokio::test]
async fn nothing_else_is_answered_and_a_stop_is_heeded() {
    let found = Foundling::new().await;
    let mut socket = TcpStream::connect(found.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    socket.read_to_end(&mut said).await.unwrap();
    assert!(said.len() == 7 && said[0] == 0x15, "an alert and no more: {said:?}");
    let _silent = found.connect().await;
    found.stop.cancel();
    assert!(found.waiting.await.unwrap().is_none());
    assert!(!found.folder.path().join("adoption.address").exists());
}
