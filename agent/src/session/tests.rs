use certs::{Algorithm, Authority, Grant, Identity, Validity};
use futures_util::stream::repeat_with;
use jiff::{SignedDuration, Timestamp};
use protocol::message::{Reply, put_ask};
use protocol::requests::echo::{Echo, Echoed};
use protocol::{Kind, MAX_REPLY_FRAME};
use tokio::io::{DuplexStream, duplex};
use tokio_util::task::TaskTracker;

use super::*;
use crate::audit::Audit;
use crate::census::Census;

fn peer(valid_for: SignedDuration) -> Peer {
    let identity = Identity::controller("alice".parse().unwrap());
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
    let issued = Authority::create(Algorithm::Ed25519).unwrap().issue(Algorithm::Ed25519, &grant);
    Peer { not_after: Timestamp::now() + valid_for, ..issued.unwrap().own().clone() }
}

/// Echoes, at once or never or not at all, as the payload says.
fn echo(ask: Ask, _: &mut Asked) -> Response {
    let Ask::Echo(ask) = ask else { panic!("only echoes are asked here") };
    match &ask.payload[..] {
        b"panic" => panic!("as this test wants it"),
        b"never" => Response::later(ask, |_| pending()),
        _ => Response::now(ask, |Echo { payload }| Echoed { payload }),
    }
}

/// Two ends: one that asks, and a session in a task of its own, counted as the server counts it.
fn start(peer: Peer, census: &Arc<Census>, tasks: &TaskTracker) -> MessageStream<DuplexStream> {
    start_answering(peer, census, tasks, (echo, CancellationToken::new()))
}

fn start_answering(
    peer: Peer,
    census: &Arc<Census>,
    tasks: &TaskTracker,
    (answer, stop): (impl Fn(Ask, &mut Asked) -> Response + Send + 'static, CancellationToken),
) -> MessageStream<DuplexStream> {
    let (near, far) = duplex(1 << 16);
    let counted = census.count(&peer.identity.name, &Limits::default()).unwrap();
    let stream = MessageStream::new(far, 1 << 16);
    let from = "127.0.0.1:1".parse().unwrap();
    let witness = Witness::new(Audit::default(), Arc::new(peer), from);
    let session = Session::new(stream, witness, Limits::default(), answer);
    tasks.spawn(async move {
        let _counted = counted;
        let _ = session.serve(stop).await;
    });
    MessageStream::new(near, MAX_REPLY_FRAME)
}

async fn ask(wire: &mut MessageStream<DuplexStream>, payload: &'static str) -> Option<Reply> {
    put_ask(wire.outbox(), 1, &Echo { payload: payload.into() }).unwrap();
    wire.flush().await.unwrap();
    Some(Reply::decode(wire.receive().await.unwrap()?).unwrap())
}

#[tokio::test]
async fn a_panic_ends_one_connection_and_is_counted_out() {
    let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
    let hour = SignedDuration::from_hours(1);
    let mut unlucky = start(peer(hour), &census, &tasks);
    let mut other = start(peer(hour), &census, &tasks);
    assert_eq!(census.total(), 2);
    assert!(ask(&mut unlucky, "panic").await.is_none());
    assert!(matches!(ask(&mut other, "hello").await.unwrap().outcome, Outcome::Answer(_)));
    assert_eq!(census.total(), 1);
}

async fn ended_by_certificate(wire: &mut MessageStream<DuplexStream>) {
    let reply = Reply::decode(wire.receive().await.unwrap().unwrap()).unwrap();
    match reply.outcome {
        Outcome::Refusal(refusal) => assert_eq!((reply.id, refusal.kind), (None, Kind::CertificateEnded)),
        other => panic!("{other:?}"),
    }
    assert!(wire.receive().await.unwrap().is_none());
}

#[tokio::test]
async fn a_certificate_that_ends_ends_its_open_connection() {
    let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
    let moment = SignedDuration::from_millis(100);
    let mut idle = start(peer(moment), &census, &tasks);
    let mut busy = start(peer(moment), &census, &tasks);
    put_ask(busy.outbox(), 1, &Echo { payload: "never".into() }).unwrap();
    busy.flush().await.unwrap();
    ended_by_certificate(&mut idle).await;
    ended_by_certificate(&mut busy).await;
    let mut late = start(peer(-moment), &census, &tasks);
    ended_by_certificate(&mut late).await;
}

#[tokio::test]
async fn a_quick_answer_overtakes_a_slow_one_and_the_slow_one_is_waited_for() {
    let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
    let (stop, released) = (CancellationToken::new(), CancellationToken::new());
    let release = released.clone();
    let answer = move |ask, asked: &mut Asked| match ask {
        Ask::Echo(ask) if ask.payload == "slow" => {
            let released = released.clone();
            Response::later(ask, |Echo { payload }| async move {
                released.cancelled().await;
                Ok(Echoed { payload })
            })
        }
        ask => echo(ask, asked),
    };
    let answering = (answer, stop.clone());
    let mut wire = start_answering(peer(SignedDuration::from_hours(1)), &census, &tasks, answering);
    for (id, payload) in [(1, "slow"), (2, "quick")] {
        put_ask(wire.outbox(), id, &Echo { payload: payload.into() }).unwrap();
    }
    wire.flush().await.unwrap();
    let next = async |wire: &mut MessageStream<DuplexStream>| {
        Reply::decode(wire.receive().await.unwrap().unwrap()).unwrap()
    };
    assert_eq!(next(&mut wire).await.id, Some(2));

    stop.cancel();
    tokio::task::yield_now().await;
    put_ask(wire.outbox(), 3, &Echo { payload: "late".into() }).unwrap();
    wire.flush().await.unwrap();
    let late = next(&mut wire).await;
    assert!(matches!(late.outcome, Outcome::Refusal(Refusal { kind: Kind::ShuttingDown, .. })), "{late:?}");
    release.cancel();
    assert!(matches!(next(&mut wire).await, Reply { id: Some(1), outcome: Outcome::Answer(_) }));
    assert!(wire.receive().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_steady_stream_of_frames_is_no_half_frame() {
    let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
    let mut wire = start(peer(SignedDuration::from_hours(1)), &census, &tasks);
    let mut bytes = Vec::new();
    put_ask(&mut bytes, 1, &Echo { payload: "hello".into() }).unwrap();
    let (first, rest) = bytes.split_at(3);
    wire.outbox().extend_from_slice(first);
    // Every write ends inside the next frame, for far longer than one frame may take.
    for _ in 0..30 {
        wire.outbox().extend_from_slice(rest);
        wire.outbox().extend_from_slice(first);
        wire.flush().await.unwrap();
        let reply = Reply::decode(wire.receive().await.unwrap().unwrap()).unwrap();
        assert!(matches!(reply.outcome, Outcome::Answer(_)), "{reply:?}");
        tokio::time::sleep(Limits::default().rest_of_frame / 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_stream_may_stop_for_as_long_as_who_asks_nothing() {
    let (census, tasks) = (Arc::new(Census::default()), TaskTracker::new());
    let answer = |ask, _: &mut Asked| {
        let Ask::Echo(ask) = ask else { panic!("only echoes are asked here") };
        Response::stream(ask, |Echo { payload }| repeat_with(move || Ok(Echoed { payload: payload.clone() })))
    };
    let answering = (answer, CancellationToken::new());
    let mut wire = start_answering(peer(SignedDuration::from_hours(1)), &census, &tasks, answering);
    put_ask(wire.outbox(), 1, &Echo { payload: vec![7; 1000].into() }).unwrap();
    wire.flush().await.unwrap();
    // More than lies in the pipe: the agent writes again.
    let mut read_on = async || {
        for _ in 0..200 {
            if !matches!(wire.receive().await, Ok(Some(_))) {
                return false;
            }
        }
        true
    };
    let Limits { write, idle, .. } = Limits::default();
    tokio::time::sleep(write * 3).await;
    assert!(read_on().await);
    tokio::time::sleep(idle * 2).await;
    assert!(!read_on().await);
}
