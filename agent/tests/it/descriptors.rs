//! Few descriptors, and many programs asked for: the built agent goes on answering everybody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use certs::Authority;
use protocol::Kind;
use protocol::message::Outcome;
use protocol::requests::check::Check;
use protocol::requests::info::Info;
use tokio::net::TcpStream;

use crate::program::Running;
use crate::site::{Wire, ask, receive, send, shake_hands};

/// As many as one identity may have in flight, on four connections.
const ASKED: u64 = 64;

fn check(name: &str) -> Check {
    Check { name: name.to_owned(), ..Check::default() }
}

async fn connect(authority: &Authority, name: &str, address: &str) -> Wire {
    shake_hands(authority, name, TcpStream::connect(address).await.unwrap()).await
}

#[tokio::test]
async fn programs_that_many_ask_for_leave_descriptors_for_everybody_else() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("agent.toml");
    let declared = "[check.hangs]\nexec = [\"/bin/sleep\", \"1000\"]\ntimeout = \"1h\"\n\
                    [check.good]\nexec = [\"/bin/true\"]\n";
    fs::write(&config, declared).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let mut agent = Running::start(&["prlimit", "--nofile=128:128"], &["--config", config.to_str().unwrap()]);
    let address = agent.address();

    let mut greedy = Vec::new();
    for name in ["alice", "alice", "alice", "alice", "carol", "carol", "carol", "carol"] {
        let mut wire = connect(&agent.authority, name, &address).await;
        for id in 0..ASKED {
            send(&mut wire, id, check("hangs")).await;
        }
        greedy.push(wire);
    }
    // Of the last one nothing is taken any more: all before it have their places.
    for _ in 0..ASKED {
        let Some((_, Outcome::Refusal(refusal))) = receive(greedy.last_mut().unwrap()).await else {
            panic!("there was a place for it")
        };
        assert_eq!(refusal.kind, Kind::TooManyRequests, "{refusal:?}");
        assert!(refusal.message.contains("programs"), "{refusal:?}");
    }
    let mut others = Vec::new();
    for _ in 0..8 {
        let mut wire = connect(&agent.authority, "bob", &address).await;
        assert!(ask(&mut wire, 1, Info::default()).await.memory.is_some());
        others.push(wire);
    }
    // Whoever goes away gives his places back.
    drop(greedy);
    let mut wire = others.swap_remove(0);
    let mut id = 2;
    loop {
        send(&mut wire, id, check("good")).await;
        match receive(&mut wire).await.unwrap().1 {
            Outcome::Refusal(refusal) => assert_eq!(refusal.kind, Kind::TooManyRequests, "{refusal:?}"),
            _ => break,
        }
        id += 1;
    }
}
