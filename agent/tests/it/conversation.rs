//! Many requests on one connection: overtaking, streaming, cancelling, and what is refused while the rest goes on.

use agent::config::Limits;
use protocol::message::{Outcome, put_ask, put_cancel};
use protocol::requests::echo::Echo;
use protocol::requests::info::{Info, Machine, Section};
use protocol::requests::time::Time;
use protocol::requests::uptime::Uptime;
use protocol::requests::watch::Watch;
use protocol::{Kind, VERSION};
use tokio::time::{Duration, timeout};

use crate::site::{Site, Wire, ask, receive, refusal, send, send_head};

fn watch(every_seconds: f64, count: Option<u64>) -> Watch {
    Watch { every_seconds, count, sections: vec![Section::Memory] }
}

async fn item(wire: &mut Wire, id: u64) -> Machine {
    match receive(wire).await {
        Some((Some(found), Outcome::Item(item))) if found == id => item.read::<Watch>().unwrap(),
        other => panic!("not an item: {other:?}"),
    }
}

#[tokio::test]
async fn every_request_of_the_list_is_answered() {
    let site = Site::new(Limits::default()).await;
    let mut wire = site.connect("alice").await;
    let payload: Vec<u8> = (0..=255).collect();
    assert_eq!(ask(&mut wire, 1, Echo { payload: payload.clone().into() }).await.payload, payload);
    let running = ask(&mut wire, 2, Uptime {}).await;
    assert!(running.uptime_seconds > 0.0 && running.booted < running.now);
    let clock = ask(&mut wire, 3, Time {}).await;
    assert!(clock.received <= clock.sent);
    let machine = ask(&mut wire, 4, Info { sections: vec![] }).await;
    assert!(machine.system.is_some() && machine.cpu.is_some() && machine.memory.is_some());
    assert!(machine.disks.is_some() && machine.network.is_some() && machine.users.is_some());
    let agent = machine.agent.unwrap();
    assert_eq!((agent.name.as_str(), agent.version.as_str()), ("web-1", VERSION));
    send(&mut wire, 5, watch(1.0, Some(1))).await;
    item(&mut wire, 5).await;
    assert!(matches!(receive(&mut wire).await, Some((Some(5), Outcome::End))));
}

#[tokio::test]
async fn only_what_is_asked_is_gathered() {
    let site = Site::new(Limits::default()).await;
    let machine = ask(&mut site.connect("alice").await, 1, Info { sections: vec![Section::Memory] }).await;
    assert_eq!(machine, Machine { at: machine.at, memory: machine.memory, ..Machine::default() });
    assert!(machine.memory.is_some());
}

#[tokio::test]
async fn a_stream_goes_on_until_it_is_cancelled() {
    let site = Site::new(Limits::default()).await;
    let mut wire = site.connect("alice").await;
    send(&mut wire, 1, watch(0.2, None)).await;
    for _ in 0..3 {
        item(&mut wire, 1).await;
    }
    put_cancel(wire.outbox(), 1).unwrap();
    wire.flush().await.unwrap();
    let (id, refused) = loop {
        if let Some((id, Outcome::Refusal(refused))) = receive(&mut wire).await {
            break (id, refused);
        }
    };
    assert_eq!((id, refused.kind), (Some(1), Kind::Cancelled));
    // Nothing more comes of it, its id is free, and cancelling what is over is no fault.
    put_cancel(wire.outbox(), 1).unwrap();
    ask(&mut wire, 1, Uptime {}).await;
}

#[tokio::test]
async fn a_stream_ends_by_itself_when_it_was_asked_to() {
    let site = Site::new(Limits::default()).await;
    let mut wire = site.connect("alice").await;
    send(&mut wire, 9, watch(0.2, Some(2))).await;
    item(&mut wire, 9).await;
    item(&mut wire, 9).await;
    assert!(matches!(receive(&mut wire).await, Some((Some(9), Outcome::End))));
    ask(&mut wire, 10, Uptime {}).await;
}

#[tokio::test]
async fn what_one_request_gets_wrong_leaves_the_connection_usable() {
    let site = Site::new(Limits::default()).await;
    let mut wire = site.connect("alice").await;
    for (head, kind) in [
        (r#"{"id":1,"ask":"reboot"}"#, Kind::UnknownRequest),
        (r#"{"id":1,"ask":"info","with":{"sections":["gpu"]}}"#, Kind::BadRequest),
        (r#"{"id":1,"ask":"watch","with":{"every_seconds":0.01}}"#, Kind::BadRequest),
        (r#"{"id":1,"ask":"watch","with":{"every_seconds":1e300}}"#, Kind::BadRequest),
        (r#"{"id":1,"ask":"watch"}"#, Kind::BadRequest),
        (r#"{"id":1}"#, Kind::BadMessage),
    ] {
        send_head(&mut wire, head).await;
        let (id, refused) = refusal(&mut wire).await;
        assert_eq!((id, refused.kind), (Some(1), kind), "{head}");
        assert!(!refused.message.is_empty() && !refused.hint.is_empty());
    }
    ask(&mut wire, 1, Uptime {}).await;
}

#[tokio::test]
async fn what_is_no_message_ends_the_connection_with_a_reason() {
    let site = Site::new(Limits::default()).await;
    for head in ["x", "{}", r#"{"ask":"time"}"#, &"[".repeat(50_000)] {
        let mut wire = site.connect("alice").await;
        send_head(&mut wire, head).await;
        let (id, refused) = refusal(&mut wire).await;
        assert_eq!((id, refused.kind), (None, Kind::BadMessage));
        assert!(receive(&mut wire).await.is_none());
    }
}

#[tokio::test]
async fn an_id_that_is_in_use_ends_the_connection() {
    let site = Site::new(Limits::default()).await;
    let mut wire = site.connect("alice").await;
    send(&mut wire, 1, watch(3600.0, None)).await;
    item(&mut wire, 1).await;
    send(&mut wire, 1, Uptime {}).await;
    assert_eq!(refusal(&mut wire).await.1.kind, Kind::BadMessage);
    assert!(receive(&mut wire).await.is_none());
}

#[tokio::test]
async fn a_stream_ends_with_the_side_that_asked_for_it() {
    let site = Site::new(Limits::default()).await;
    let mut wire = site.connect("alice").await;
    send(&mut wire, 1, watch(3600.0, None)).await;
    item(&mut wire, 1).await;
    wire.close().await.unwrap();
    let ended =
        timeout(Duration::from_secs(10), receive(&mut wire)).await.expect("the agent ends its side too");
    assert!(ended.is_none());
}

#[tokio::test]
async fn who_ends_his_side_still_gets_his_answer() {
    let site = Site::new(Limits::default()).await;
    let mut wire = site.connect("alice").await;
    put_ask(wire.outbox(), 1, &Info { sections: vec![Section::Cpu] }).unwrap();
    wire.flush().await.unwrap();
    wire.close().await.unwrap();
    assert_eq!(receive(&mut wire).await.unwrap().0, Some(1));
    let ended =
        timeout(Duration::from_secs(10), receive(&mut wire)).await.expect("the agent ends its side too");
    assert!(ended.is_none());
}
