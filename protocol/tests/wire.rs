//! Walks the list of requests: the exact bytes, there and back, cut short, too long, and unknown.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "wire/named.rs"]
mod named;

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use protocol::frame::{Frame, FrameError, Frames, put};
use protocol::message::{BadCall, Call, Outcome, Reply, put_ask, put_cancel, put_reply};
use protocol::requests::audit::{Audit, Records};
use protocol::requests::can::{Can, Verdict};
use protocol::requests::caps::{Caps, Offer, Offers, Parameter};
use protocol::requests::check::{Check, Checked, State};
use protocol::requests::echo::{Echo, Echoed, MAX_PAYLOAD};
use protocol::requests::explain::{Explain, Plan, Sort};
use protocol::requests::info::{Info, Machine, Section};
use protocol::requests::install::{Install, Installed};
use protocol::requests::renew::{Renew, SigningRequest};
use protocol::requests::run::{Ended, Output, Piece, Run};
use protocol::requests::sync::{Sync, Synced};
use protocol::requests::time::{Clock, Time};
use protocol::requests::uptime::{Running, Uptime};
use protocol::requests::watch::Watch;
use protocol::requests::whoami::{Whoami, You};
use protocol::requests::{Message, NAMES};
use protocol::{Kind, MAX_ASK_FRAME, Refusal, Request, VERSION};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// Written back, it must be the same text again: nothing renamed, nothing lost.
fn machine() -> Machine {
    serde_json::from_str(MACHINE).unwrap()
}

const MACHINE: &str = concat!(
    r#"{"at":"2023-11-14T22:14:20.5Z","system":{"host_name":"web-1","os":"Debian GNU/Linux 12 (bookworm)","os_id":"debian","os_version":"12","#,
    r#""kernel":"6.1.0","architecture":"x86_64","virtualisation":"kvm","hardware":null,"#,
    r#""booted":"2023-11-14T22:13:20Z","uptime_seconds":60.5,"time_zone":"Europe/Berlin","utc_offset_seconds":3600},"#,
    r#""cpu":{"model":null,"physical_cores":2,"logical_cores":4,"used_ratio":0.25,"used_over_seconds":2.0,"#,
    r#""load":[0.5,0.25,0.0]},"memory":{"total_bytes":4096,"used_bytes":1024,"available_bytes":3072,"#,
    r#""swap_total_bytes":0,"swap_used_bytes":0},"disks":[{"mount_point":"/","kind":"ext4","source":"/dev/vda","#,
    r#""read_only":false,"space":{"size_bytes":10,"free_bytes":5,"available_bytes":4,"inodes":3,"inodes_free":2}}],"#,
    r#""network":[{"name":"lo","up":true,"mac":null,"addresses":["127.0.0.1/8"],"received_bytes":1,"sent_bytes":2,"#,
    r#""received_packets":3,"sent_packets":4,"errors":5}],"#,
    r#""users":[{"name":"alice","terminal":"tty1","from":null,"since":null}],"#,
    r#""agent":{"name":"web-1","version":"0.1.0","certificate_ends":"2027-01-15T08:00:00Z","running_seconds":1.5,"#,
    r#""memory_bytes":6,"descriptors":7,"descriptors_limit":8,"audit":"the disk is full","#,
    r#""sandbox":{"holds":["files"],"missing":["TCP: no"]}}}"#
);

fn clock() -> Clock {
    Clock {
        received: "2026-01-02T03:04:05.000000006Z".parse().unwrap(),
        sent: at(1_700_000_000),
        zone: None,
        utc_offset_seconds: -3600,
        synchronised: Some(true),
        max_error_seconds: Some(0.5),
    }
}

const CLOCK: &str = concat!(
    r#"{"received":"2026-01-02T03:04:05.000000006Z","sent":"2023-11-14T22:13:20Z","zone":null,"#,
    r#""utc_offset_seconds":-3600,"synchronised":true,"max_error_seconds":0.5}"#
);

fn you() -> You {
    You {
        identity: "rollcall://controller/alice".to_owned(),
        teams: vec!["ops".to_owned()],
        serial: "0a".to_owned(),
        certificate_ends: at(0),
        may: vec!["info".to_owned()],
    }
}

const YOU: &str = concat!(
    r#"{"identity":"rollcall://controller/alice","teams":["ops"],"serial":"0a","#,
    r#""certificate_ends":"1970-01-01T00:00:00Z","may":["info"]}"#
);

/// What a request and its answer must look like, for ever: an older and a newer program talk to each other.
fn check<R>(request: &R, with: &str, answer: &R::Answer, json: &str) -> &'static str
where
    R: Request + Clone + Debug + PartialEq,
    R::Answer: Clone + Debug + PartialEq,
{
    let ask_head = format!(r#"{{"id":7,"ask":"{}","with":{with}}}"#, R::NAME);
    let mut bytes = Vec::new();
    put_ask(&mut bytes, 7, request).unwrap();
    assert_eq!(bytes, golden(&ask_head, request.tail()));
    assert_eq!(call(&bytes), Ok(Call::Ask { id: 7, ask: request.clone().into_ask() }));
    cut_short(&bytes);
    too_long(&bytes);
    unknown_fields(&ask_head, with, request);
    wrong_words::<R>();

    for (word, outcome) in [
        ("answer", Outcome::Answer(R::into_answer(answer.clone()))),
        ("item", Outcome::Item(R::into_answer(answer.clone()))),
    ] {
        let mut bytes = Vec::new();
        put_reply(&mut bytes, Some(7), &outcome).unwrap();
        assert_eq!(bytes, golden(&format!(r#"{{"id":7,"{word}":{json}}}"#), answer.tail()));
        let reply = Reply::decode(frame(&bytes)).unwrap();
        assert_eq!(reply.id, Some(7));
        match reply.outcome {
            Outcome::Answer(untyped) | Outcome::Item(untyped) => {
                assert_eq!(untyped.read::<R>().unwrap(), *answer)
            }
            other => panic!("{other:?}"),
        }
    }
    R::NAME
}

#[test]
fn every_request_of_the_list() {
    let payload = Bytes::from_static(b"\0\xffany bytes");
    let running = Running {
        uptime_seconds: 1.5,
        booted: at(0),
        now: at(1),
        utc_offset_seconds: 0,
        load: [1.0, 2.0, 3.0],
        users: Some(2),
    };
    let running_json = concat!(
        r#"{"uptime_seconds":1.5,"booted":"1970-01-01T00:00:00Z","now":"1970-01-01T00:00:01Z","#,
        r#""utc_offset_seconds":0,"load":[1.0,2.0,3.0],"users":2}"#
    );
    let sections = vec![Section::Cpu, Section::Memory];
    let watch = Watch { every_seconds: 2.5, count: Some(3), sections: sections.clone() };
    let can = Can { permission: "run:a".to_owned() };
    let verdict = Verdict { allowed: false, why: Some("x".to_owned()), hint: Some("y".to_owned()) };
    let audit = Audit { last: Some(3), since: Some(1), count: Some(2) };
    let records = Records { oldest: 1, newest: 9, lines: Bytes::from_static(b"{}\n") };
    let authorities = vec!["12ab".to_owned()];
    let installed = Installed { name: "web-1".to_owned(), certificate_ends: at(0), authorities };
    let installed_json = concat!(
        r#"{"name":"web-1","certificate_ends":"1970-01-01T00:00:00Z","#,
        r#""authorities":["12ab"]}"#
    );
    let checked = [
        check(&audit, r#"{"last":3,"since":1,"count":2}"#, &records, r#"{"oldest":1,"newest":9}"#),
        check(&can, r#"{"permission":"run:a"}"#, &verdict, r#"{"allowed":false,"why":"x","hint":"y"}"#),
        check(&Echo { payload: payload.clone() }, "{}", &Echoed { payload: payload.clone() }, "{}"),
        check(&Info { sections }, r#"{"sections":["cpu","memory"]}"#, &machine(), MACHINE),
        check(&Install { certificates: payload.clone() }, "{}", &installed, installed_json),
        check(&Renew {}, "{}", &SigningRequest { der: payload.clone() }, "{}"),
        check(
            &Sync { number: 3, list: payload.clone() },
            r#"{"number":3}"#,
            &Synced { number: 4, list: payload.clone() },
            r#"{"number":4}"#,
        ),
        check(&Time {}, "{}", &clock(), CLOCK),
        check(&Uptime {}, "{}", &running, running_json),
        check(&watch, r#"{"every_seconds":2.5,"count":3,"sections":["cpu","memory"]}"#, &machine(), MACHINE),
        check(&Whoami {}, "{}", &you(), YOU),
    ];
    let mut checked: Vec<&str> =
        checked.into_iter().chain(declared_things()).chain(named::things()).collect();
    checked.sort_unstable();
    assert_eq!(checked, NAMES, "a request of the list is not checked here");
}

/// Those about what the machine's owner declared.
fn declared_things() -> [&'static str; 4] {
    let (name, bytes) = ("disk".to_owned(), Bytes::from_static(b"OK | a=1\n"));
    let parameters: BTreeMap<String, String> = [("path".to_owned(), "/".to_owned())].into();
    let with = r#"{"name":"disk","parameters":{"path":"/"}}"#;
    let (code, took_seconds, written_bytes, sent_bytes) = (Some(1), 0.5, 9, 8);
    let ended = Ended { code, took_seconds, written_bytes, sent_bytes, ..Ended::default() };
    let ended_json = r#"{"code":1,"took_seconds":0.5,"written_bytes":9,"sent_bytes":8}"#;
    let checked = Checked { state: State::Warning, why: None, ended, output: bytes.clone() };
    let checked_json = format!(r#"{{"state":"warning","ended":{ended_json}}}"#);
    let parameter = Parameter { takes: "a path".to_owned(), default: None };
    let offer = Offer { about: None, parameters: [("path".to_owned(), parameter)].into() };
    let checks = [(name.clone(), offer)].into();
    let offers = Offers { requests: vec!["info".to_owned()], checks, ..Offers::default() };
    let offers_json = concat!(
        r#"{"requests":["info"],"checks":{"disk":{"parameters":{"path":{"takes":"a path"}}}},"#,
        r#""commands":{}}"#
    );
    let plan = Plan {
        argv: vec!["/bin/df".to_owned(), "/".to_owned()],
        user: None,
        folder: "/".to_owned(),
        environment: BTreeMap::new(),
        timeout_seconds: 10.0,
        max_output_bytes: 3,
        max_running: 4,
        sha256: None,
    };
    let plan_json = concat!(
        r#"{"argv":["/bin/df","/"],"folder":"/","timeout_seconds":10.0,"#,
        r#""max_output_bytes":3,"max_running":4}"#
    );
    let explain_json = r#"{"request":"run","name":"disk","parameters":{"path":"/"}}"#;
    let explain = Explain { sort: Sort::Command, name: name.clone(), parameters: parameters.clone() };
    let piece = Piece { to: Some(Output::Errors), ended: None, bytes };
    [
        check(&Caps {}, "{}", &offers, offers_json),
        check(&Check { name: name.clone(), parameters: parameters.clone() }, with, &checked, &checked_json),
        check(&explain, explain_json, &plan, plan_json),
        check(&Run { name, parameters }, with, &piece, r#"{"to":"errors"}"#),
    ]
}

fn golden(head: &str, tail: &[u8]) -> Vec<u8> {
    let head_length = u32::try_from(head.len()).unwrap();
    let length = 4 + head_length + u32::try_from(tail.len()).unwrap();
    [&length.to_be_bytes(), &head_length.to_be_bytes(), head.as_bytes(), tail].concat()
}

fn frame(bytes: &[u8]) -> Frame {
    Frames::new(1 << 20).next(&mut BytesMut::from(bytes)).unwrap().unwrap()
}

fn call(bytes: &[u8]) -> Result<Call, BadCall> {
    Call::decode(frame(bytes))
}

fn call_of(head: &str) -> Result<Call, BadCall> {
    call(&golden(head, &[]))
}

fn cut_short(bytes: &[u8]) {
    for end in 0..bytes.len() {
        assert_eq!(Frames::new(1 << 20).next(&mut BytesMut::from(&bytes[..end])), Ok(None));
    }
    let head = frame(bytes).head;
    for end in 0..head.len() {
        let cut = Call::decode(Frame { head: head.slice(..end), tail: Bytes::new() }).unwrap_err();
        assert_eq!((cut.id, cut.refusal.kind), (None, Kind::BadMessage));
    }
}

fn too_long(bytes: &[u8]) {
    let announced = bytes.len() - 4;
    let error = Frames::new(announced - 1).next(&mut BytesMut::from(bytes)).unwrap_err();
    assert_eq!(error, FrameError::TooLong { announced, limit: announced - 1 });
}

fn unknown_fields<R: Request + Clone>(head: &str, with: &str, request: &R) {
    let later = if with == "{}" {
        r#"{"later":[{}]}"#.to_owned()
    } else {
        with.replacen('{', r#"{"later":[{}],"#, 1)
    };
    let head = head.replacen(with, &later, 1).replacen('{', r#"{"later":1,"#, 1);
    let bytes = golden(&head, request.tail());
    assert_eq!(call(&bytes), Ok(Call::Ask { id: 7, ask: request.clone().into_ask() }), "{head}");
}

fn wrong_words<R: Request>() {
    for with in ["7", "[]", r#"[["cpu"]]"#, "\"\""] {
        let refused = call_of(&format!(r#"{{"id":7,"ask":"{}","with":{with}}}"#, R::NAME)).unwrap_err();
        assert_eq!((refused.id, refused.refusal.kind), (Some(7), Kind::BadRequest));
    }
}

#[test]
fn an_unknown_request_is_refused_by_name_and_version() {
    for name in ["Info", "info ", " info", "inf\u{43e}", "information", "root", "\\u0000", "info\\n"] {
        let refused = call_of(&format!(r#"{{"id":7,"ask":"{name}"}}"#)).unwrap_err();
        assert_eq!((refused.id, refused.refusal.kind), (Some(7), Kind::UnknownRequest), "{name:?}");
        assert!(refused.refusal.message.contains(VERSION), "{}", refused.refusal.message);
    }
    let long = call_of(&format!(r#"{{"id":7,"ask":"{}"}}"#, "x".repeat(10_000))).unwrap_err();
    assert!(long.refusal.message.len() < 200);
}

#[test]
fn what_is_no_call_is_refused_and_never_half_taken() {
    for (head, id) in [
        ("", None),
        ("null", None),
        (r#"[7,"time",null,null]"#, None),
        ("7", None),
        ("{}", None),
        (r#"{"id":7}"#, Some(7)),
        (r#"{"ask":"time"}"#, None),
        (r#"{"id":-1,"ask":"time"}"#, None),
        (r#"{"id":"7","ask":"time"}"#, None),
        (r#"{"id":7,"id":8,"ask":"time"}"#, None),
        (r#"{"id":7,"ask":"time","ask":"echo"}"#, None),
        (r#"{"id":7,"ask":"time","cancel":7}"#, Some(7)),
        (r#"{"id":7,"ask":null}"#, None),
        (r#"{"id":7,"ask":"time"} x"#, None),
        ("\u{feff}{}", None),
    ] {
        let refused = call_of(head).unwrap_err();
        assert_eq!((refused.id, refused.refusal.kind), (id, Kind::BadMessage), "{head:?}");
    }
    let mut invalid = golden(r#"{"id":7,"ask":"time?"}"#, &[]);
    let at = invalid.len() - 3;
    invalid[at] = 0xff;
    assert_eq!(call(&invalid).unwrap_err().refusal.kind, Kind::BadMessage);
    for depth in [10_000, 30_000] {
        let deep = format!(r#"{{"id":7,"ask":"info","with":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let refused = call_of(&deep).unwrap_err().refusal.kind;
        assert!(matches!(refused, Kind::BadMessage | Kind::BadRequest), "{refused:?}");
    }
}

#[test]
fn the_words_around_requests() {
    let mut bytes = Vec::new();
    put_cancel(&mut bytes, 7).unwrap();
    assert_eq!(bytes, golden(r#"{"cancel":7}"#, &[]));
    assert_eq!(call(&bytes), Ok(Call::Cancel { id: 7 }));

    let mut bytes = Vec::new();
    put_reply(&mut bytes, Some(7), &Outcome::End).unwrap();
    assert_eq!(bytes, golden(r#"{"id":7,"end":true}"#, &[]));
    assert!(matches!(Reply::decode(frame(&bytes)).unwrap().outcome, Outcome::End));

    let mut bytes = Vec::new();
    put_reply(&mut bytes, None, &Outcome::Refusal(Refusal::cancelled())).unwrap();
    let head = r#"{"refusal":{"kind":"cancelled","message":"the request was cancelled","hint":"ask again when you want it"}}"#;
    assert_eq!(bytes, golden(head, &[]));
    let newer = r#"{"id":7,"refusal":{"kind":"out_of_cheese","message":"m","hint":"h","more":1}}"#;
    match Reply::decode(frame(&golden(newer, &[]))).unwrap().outcome {
        Outcome::Refusal(refusal) => assert_eq!(refusal.kind, Kind::Other),
        other => panic!("{other:?}"),
    }
    for wrong in [r#"{"id":7}"#, r#"{"id":7,"answer":{},"end":true}"#, r#"{"id":7,"end":false}"#] {
        assert!(Reply::decode(frame(&golden(wrong, &[]))).is_err(), "{wrong}");
    }
}

#[test]
fn the_bytes_in_the_description_are_right() {
    let description = include_str!("../../docs/protocol.md").replace("  ", " ");
    let shown = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let ask = golden(r#"{"id":1,"ask":"echo"}"#, b"hi");
    assert_eq!(call(&ask), Ok(Call::Ask { id: 1, ask: Echo { payload: "hi".into() }.into_ask() }));
    let mut answer = Vec::new();
    let echoed = Echo::into_answer(Echoed { payload: "hi".into() });
    put_reply(&mut answer, Some(1), &Outcome::Answer(echoed)).unwrap();
    assert!(description.contains(&shown(&ask)) && description.contains(&shown(&answer)));
    for request in NAMES {
        assert!(description.contains(&format!("### `{request}`")), "`{request}` is not described");
    }
}

#[test]
fn the_largest_echo_fits_into_a_frame_of_the_default_size() {
    let mut bytes = Vec::new();
    put_ask(&mut bytes, u64::MAX, &Echo { payload: vec![0; MAX_PAYLOAD].into() }).unwrap();
    let read = Frames::new(MAX_ASK_FRAME).next(&mut BytesMut::from(&bytes[..])).unwrap().unwrap();
    assert_eq!(read.tail.len(), MAX_PAYLOAD);
}

#[test]
fn a_frame_that_cannot_be_written_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    let fail = |out: &mut Vec<u8>| {
        out.push(b'{');
        Err(serde::de::Error::custom("no"))
    };
    put(&mut out, fail, &[]).unwrap_err();
    assert_eq!(out, b"before");
}
