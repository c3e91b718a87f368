//! Stopping and reloading: what is in flight is answered, and nothing is dropped without need.

use std::time::Duration;

use agent::cli::{Cli, Verb};
use agent::config::{Config, Limits};
use certs::store::Existing;
use clap::Parser;
use protocol::Kind;
use protocol::message::Outcome;
use protocol::requests::info::{Info, Section};
use protocol::requests::uptime::Uptime;
use protocol::requests::watch::Watch;
use tokio::net::TcpStream;

use crate::site::{Site, agent_credentials, ask, presented, receive, refusal, send};

#[tokio::test]
async fn what_is_in_flight_is_answered_before_the_end() {
    let site = Site::new(Limits::default()).await;
    let mut idle = site.connect("bob").await;
    ask(&mut idle, 1, Uptime {}).await;
    let mut wire = site.connect("alice").await;
    send(&mut wire, 1, Info { sections: vec![Section::Cpu] }).await;
    ask(&mut wire, 2, Uptime {}).await;

    site.stop.cancel();
    assert!(receive(&mut idle).await.is_none());
    send(&mut wire, 3, Uptime {}).await;
    let (id, refused) = refusal(&mut wire).await;
    assert_eq!((id, refused.kind), (Some(3), Kind::ShuttingDown));
    assert!(matches!(receive(&mut wire).await, Some((Some(1), Outcome::Answer(_)))));
    assert!(receive(&mut wire).await.is_none());
    assert_eq!(site.serving.await.unwrap(), 0);
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_counted() {
    let site = Site::new(Limits { drain: Duration::from_millis(200), ..Limits::default() }).await;
    let mut wire = site.connect("alice").await;
    send(&mut wire, 1, Watch { every_seconds: 3600.0, count: None, sections: vec![Section::Memory] }).await;
    receive(&mut wire).await.unwrap();
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

fn config(flags: &[&str]) -> Config {
    match Cli::parse_from([&["agent", "run"], flags].concat()).verb {
        Verb::Run(flags) => Config::decide(&flags).unwrap(),
        Verb::CheckConfig(_) => unreachable!("`run` was given"),
    }
}
