//! Stopping and reloading: what is in flight is answered, and nothing is dropped without need.

use std::time::Duration;

use agent::config::Limits;
use certs::store::Existing;
use protocol::Kind;
use protocol::message::put_ask;
use protocol::requests::echo::Echo;
use protocol::requests::info::{Info, Section};
use protocol::requests::uptime::Uptime;
use protocol::requests::watch::Watch;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::site::{Site, agent_credentials, ask, config, presented, receive, refusal, send};

#[tokio::test]
async fn streams_and_idle_connections_end_at_once() {
    let site = Site::new(Limits::default()).await;
    let mut idle = site.connect("bob").await;
    ask(&mut idle, 1, Uptime {}).await;
    let mut wire = site.connect("alice").await;
    send(&mut wire, 1, Watch { every_seconds: 3600.0, count: None, sections: vec![Section::Memory] }).await;
    receive(&mut wire).await.unwrap();

    site.stop.cancel();
    assert!(receive(&mut idle).await.is_none());
    let (id, refused) = refusal(&mut wire).await;
    assert_eq!((id, refused.kind), (Some(1), Kind::ShuttingDown));
    assert!(receive(&mut wire).await.is_none());
    assert_eq!(site.serving.await.unwrap(), 0);
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_counted() {
    let drain = Duration::from_millis(200);
    let site = Site::new(Limits { drain, write: Duration::from_secs(60), ..Limits::default() }).await;
    let mut wire = site.connect("alice").await;
    // A peer that takes nothing: the agent is stuck in writing to it.
    let request = Echo { payload: vec![7; 60_000].into() };
    let stuck = async {
        for id in 0.. {
            put_ask(wire.outbox(), id, &request).unwrap();
            wire.flush().await.unwrap();
        }
    };
    timeout(Duration::from_secs(1), stuck).await.unwrap_err();
    site.stop.cancel();
    assert_eq!(site.serving.await.unwrap(), 1);
}

#[tokio::test]
async fn a_reload_changes_what_comes_and_keeps_what_is_there() {
    let site = Site::new(Limits::default()).await;
    let mut old = site.connect("alice").await;
    ask(&mut old, 1, Uptime {}).await;

    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("new.bundle");
    agent_credentials(&site.authority, "web-2").save(&bundle, Existing::Keep).unwrap();
    let config = config(&["--identity", bundle.to_str().unwrap()]);
    assert_eq!(site.reload.apply(&config).unwrap().identity.name.as_str(), "web-2");
    assert_eq!(presented(&site).await, "web-2");
    let info = ask(&mut old, 2, Info { sections: vec![Section::Agent] }).await;
    assert_eq!(info.agent.unwrap().name, "web-2");

    std::fs::write(&bundle, "half an ident").unwrap();
    assert!(site.reload.apply(&config).is_err());
    assert_eq!(presented(&site).await, "web-2");
    ask(&mut old, 3, Uptime {}).await;
}
