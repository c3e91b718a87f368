//! The audit log of a real agent: one record a request, however it ends, and what happens when there can be none.

use std::fs;
use std::path::Path;
use std::time::Duration;

use agent::audit::{Recording, WhenBroken, verify};
use agent::config::{Limits, Policy};
use agent::permissions::{Permissions, Rule};
use protocol::Kind;
use protocol::chain::Follower;
use protocol::message::{Outcome, put_cancel};
use protocol::requests::audit::{Audit, Records};
use protocol::requests::echo::Echo;
use protocol::requests::info::{Info, Section};
use protocol::requests::uptime::Uptime;
use protocol::requests::watch::Watch;
use protocol::requests::whoami::Whoami;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::site::{Site, Wire, ask, receive, refusal, send, send_head};

fn policy(state: &Path) -> Policy {
    let rule = |who: &str, what: &str| Rule { who: who.parse().unwrap(), what: vec![what.parse().unwrap()] };
    Policy {
        limits: Limits { requests_in_flight: 2, ..Limits::default() },
        permissions: Permissions { allow: vec![rule("auditor", "audit")], deny: vec![rule("alice", "time")] },
        audit: Recording { folder: Some(state.join("audit")), ..Recording::default() },
    }
}

async fn site() -> (Site, TempDir) {
    let state = tempfile::tempdir().unwrap();
    (Site::with(policy(state.path())).await, state)
}

async fn fetch(wire: &mut Wire, request: Audit) -> Vec<Records> {
    send(wire, 9, request).await;
    let mut all = Vec::new();
    loop {
        match receive(wire).await {
            Some((Some(9), Outcome::Item(item))) => all.push(item.read::<Audit>().unwrap()),
            Some((Some(9), Outcome::End)) => return all,
            other => panic!("not a record: {other:?}"),
        }
    }
}

/// All records from a number on, checked.
async fn records(wire: &mut Wire, since: u64) -> Vec<Value> {
    let mut follower = Follower::default();
    let mut all = Vec::new();
    for records in fetch(wire, Audit { since: Some(since), ..Audit::default() }).await {
        for line in records.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            follower.follow(line).unwrap();
            all.push(serde_json::from_slice(line).unwrap());
        }
    }
    all
}

/// The records of one controller's requests, in short.
async fn short(auditor: &mut Wire, of: &str) -> Vec<String> {
    let of = format!("rollcall://controller/{of}");
    let all = records(auditor, 1).await;
    let theirs = all.iter().filter(|record| record["event"] == "request" && record["identity"] == *of);
    let text = |record: &Value, field: &str| {
        record.get(field).map_or_else(|| "-".to_owned(), |value| value.to_string().replace('"', ""))
    };
    let fields = ["request", "with", "outcome", "kind", "items"];
    theirs.map(|record| fields.map(|field| text(record, field)).join(" ")).collect()
}

fn watch(count: Option<u64>) -> Watch {
    Watch { every_seconds: 0.2, count, sections: vec![Section::Memory] }
}

#[tokio::test]
async fn each_request_leaves_one_record_however_it_ends() {
    let (site, _state) = site().await;
    let mut auditor = site.connect("auditor").await;
    let mut wire = site.connect("alice").await;
    ask(&mut wire, 1, Echo { payload: "hello".into() }).await;
    for head in [
        r#"{"id":1,"ask":"time"}"#,
        r#"{"id":1,"ask":"audit","with":{"last":1}}"#,
        r#"{"id":1,"ask":"reboot","with":{"now" : true}}"#,
        r#"{"id":1,"ask":"info","with":{"sections":["moon"]}}"#,
    ] {
        send_head(&mut wire, head).await;
        refusal(&mut wire).await;
    }
    send(&mut wire, 1, watch(Some(2))).await;
    while !matches!(receive(&mut wire).await, Some((_, Outcome::End))) {}
    for id in 2..5 {
        send(&mut wire, id, Watch { every_seconds: 3600.0, ..watch(None) }).await;
    }
    while refusal_or_item(&mut wire).await != Some(Kind::TooManyRequests) {}
    put_cancel(wire.outbox(), 2).unwrap();
    wire.flush().await.unwrap();
    while refusal_or_item(&mut wire).await != Some(Kind::Cancelled) {}
    assert_eq!(
        short(&mut auditor, "alice").await,
        [
            "echo - answered - -",
            "time - refused not_permitted -",
            "audit {last:1} refused not_permitted -",
            "reboot {now:true} refused unknown_request -",
            "info {sections:[moon]} refused bad_request -",
            "watch {count:2,every_seconds:0.2,sections:[memory]} ended - 2",
            "watch {every_seconds:3600.0,sections:[memory]} refused too_many_requests -",
            "watch {every_seconds:3600.0,sections:[memory]} refused cancelled 1",
        ]
    );
    drop(wire);
    while short(&mut auditor, "alice").await.len() < 9 {}
    assert!(short(&mut auditor, "alice").await[8].contains(" cut - "));

    // What is no message ends the connection, and is recorded as what it is.
    let mut nonsense = site.connect("bob").await;
    send_head(&mut nonsense, "nonsense").await;
    assert_eq!(refusal(&mut nonsense).await.1.kind, Kind::BadMessage);
    assert_eq!(short(&mut auditor, "bob").await, ["- - refused bad_message -"]);
}

async fn refusal_or_item(wire: &mut Wire) -> Option<Kind> {
    match receive(wire).await.unwrap().1 {
        Outcome::Refusal(refusal) => Some(refusal.kind),
        _ => None,
    }
}

#[tokio::test]
async fn a_record_says_who_asked_what_from_where() {
    let (site, _state) = site().await;
    let mut wire = site.connect("alice").await;
    ask(&mut wire, 1, Echo { payload: "hello".into() }).await;
    let you = ask(&mut wire, 2, Whoami {}).await;
    let all = records(&mut site.connect("auditor").await, 1).await;
    assert_eq!(
        (&all[0]["event"], &all[0]["identity"]),
        (&"started".into(), &"rollcall://agent/web-1".into())
    );
    let echo = &all[1];
    assert_eq!(echo["identity"], "rollcall://controller/alice");
    assert_eq!(echo["payload"]["bytes"], 5);
    assert_eq!(echo["serial"], you.serial);
    assert!(echo["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(echo["took_seconds"].as_f64().unwrap() < 1.0);
}

#[tokio::test]
async fn records_are_read_across_files_and_the_oldest_are_gone() {
    let state = tempfile::tempdir().unwrap();
    let mut policy = policy(state.path());
    policy.audit = Recording { rotate_bytes: 4096, keep: 2, ..policy.audit };
    let site = Site::with(policy).await;
    let mut wire = site.connect("alice").await;
    for _ in 0..60 {
        ask(&mut wire, 1, Uptime {}).await;
    }
    let mut auditor = site.connect("auditor").await;
    let all = records(&mut auditor, 1).await;
    let (first, last) = (all[0]["n"].as_u64().unwrap(), all.last().unwrap()["n"].as_u64().unwrap());
    assert!(first > 1 && last == 61 && all.len() as u64 == last - first + 1, "{first} to {last}");
    assert_eq!(records(&mut auditor, 55).await.len(), 8);
    let three = fetch(&mut auditor, Audit { last: Some(3), ..Audit::default() }).await;
    assert_eq!((three[0].newest, three[0].lines.iter().filter(|byte| **byte == b'\n').count()), (63, 3));
    // Past the newest there is nothing, and that is said.
    let none = fetch(&mut auditor, Audit { since: Some(1000), ..Audit::default() }).await;
    assert!(none.len() == 1 && none[0].lines.is_empty() && none[0].newest == 64, "{none:?}");
    send(&mut auditor, 10, Audit::default()).await;
    assert_eq!(refusal(&mut auditor).await.1.kind, Kind::BadRequest);
}

#[tokio::test]
async fn a_flood_of_strangers_is_two_records() {
    let (site, state) = site().await;
    for _ in 0..300 {
        let mut stranger = site.socket_from("127.0.0.1").await;
        stranger.write_all(b"hello\r\n\r\n").await.unwrap();
        let _ = stranger.read_to_end(&mut Vec::new()).await;
    }
    site.stop.cancel();
    site.serving.await.unwrap();
    // The sum is told when the minute is over, or the agent ends.
    drop(site.reload);
    let current = state.path().join("audit/current.jsonl");
    let text = loop {
        let text = fs::read_to_string(&current).unwrap();
        if text.contains("connections_refused") {
            break text;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(text.matches("\"connection_refused\"").count(), 1, "{text}");
    assert!(text.contains("\"count\":299,\"sources\":1,"), "{text}");
    verify(state.path(), &[]).unwrap();
}

#[tokio::test]
async fn without_a_log_requests_are_answered_or_refused_as_the_owner_said() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("audit"), "a file where a folder should be").unwrap();
    let going_on = Site::with(policy(state.path())).await;
    let mut wire = going_on.connect("auditor").await;
    let info = ask(&mut wire, 1, Info { sections: vec![Section::Agent] }).await;
    let said = info.agent.unwrap().audit.unwrap();
    assert!(said.contains("/audit: "), "{said}");
    send(&mut wire, 2, Audit { last: Some(1), ..Audit::default() }).await;
    assert_eq!(refusal(&mut wire).await.1.kind, Kind::Failed);
    going_on.stop.cancel();
    going_on.serving.await.unwrap();

    let mut policy = policy(state.path());
    policy.audit.when_broken = WhenBroken::Refuse;
    let strict = Site::with(policy).await;
    let mut wire = strict.connect("alice").await;
    send(&mut wire, 1, Uptime {}).await;
    let (id, refused) = refusal(&mut wire).await;
    assert_eq!((id, refused.kind), (Some(1), Kind::NotRecorded));
    assert!(refused.message.contains("without it nothing is answered: "), "{}", refused.message);
    fs::remove_file(state.path().join("audit")).unwrap();
    let answered = async {
        loop {
            send(&mut wire, 2, Uptime {}).await;
            if matches!(receive(&mut wire).await, Some((_, Outcome::Answer(_)))) {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answered).await.unwrap();
    let refused = records(&mut strict.connect("auditor").await, 1).await;
    assert!(refused.iter().any(|record| record["kind"] == "not_recorded"));
}
