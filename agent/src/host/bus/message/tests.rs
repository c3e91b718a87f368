use proptest::prelude::*;

use super::*;

/// What is answered, as the other end of a test would write it.
pub(crate) fn answer(to: u32, signature: &str, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    message(ANSWER, to, signature, body)
}

/// A property's value.
pub(crate) fn text(to: u32, text: &str) -> Vec<u8> {
    answer(to, "v", |body| {
        let mut writer = Writer::default();
        writer.signature("s");
        writer.text(text);
        *body = writer.0;
    })
}

pub(crate) fn number(to: u32, number: u64) -> Vec<u8> {
    answer(to, "v", |body| {
        body.extend(b"\x01t\0\0\0\0\0\0");
        body.extend(number.to_le_bytes());
    })
}

pub(crate) fn refusal(to: u32, words: &str) -> Vec<u8> {
    message(ERROR, to, "s", |body| {
        let mut writer = Writer::default();
        writer.text(words);
        *body = writer.0;
    })
}

fn message(kind: u8, to: u32, signature: &str, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut content = Vec::new();
    body(&mut content);
    let mut fields = Writer::default();
    fields.field(REPLY_SERIAL, "u");
    fields.number(to as usize);
    fields.field(7, "s");
    fields.text(":1.2");
    fields.field(SIGNATURE, "g");
    fields.signature(signature);
    if kind == ERROR {
        fields.field(ERROR_NAME, "s");
        fields.text("org.example.No");
    }
    let mut message = Writer(vec![b'l', kind, 1, VERSION]);
    message.number(content.len());
    message.number(9);
    message.number(fields.0.len());
    message.0.extend(fields.0);
    message.align(8);
    message.0.extend(content);
    message.0
}

/// As the specification lays them out, byte by byte.
#[test]
fn a_call_is_what_the_specification_says() {
    let call = Call { destination: "a.b", path: "/c", interface: "d.e", member: "F", arguments: &["gh", ""] };
    let expected = [
        &b"l\x01\x02\x01"[..],
        &[13, 0, 0, 0, 7, 0, 0, 0, 72, 0, 0, 0],
        b"\x01\x01o\0\x02\0\0\0/c\0\0\0\0\0\0",
        b"\x06\x01s\0\x03\0\0\0a.b\0\0\0\0\0",
        b"\x02\x01s\0\x03\0\0\0d.e\0\0\0\0\0",
        b"\x03\x01s\0\x01\0\0\0F\0\0\0\0\0\0\0",
        b"\x08\x01g\0\x02ss\0",
        b"\x02\0\0\0gh\0\0\0\0\0\0\0",
    ];
    let encoded = call.encode(7);
    assert_eq!(encoded, expected.concat());
    assert_eq!(length(&encoded), Ok(Some(encoded.len() as u64)));
}

#[test]
fn values_and_refusals_are_read() {
    let read = |message: &[u8]| {
        assert_eq!(length(message), Ok(Some(message.len() as u64)));
        Reply::decode(message).unwrap()
    };
    assert_eq!(read(&text(3, "active")), Reply { to: 3, said: Ok(Value::Text("active".to_owned())) });
    assert_eq!(read(&number(4, 1 << 40)), Reply { to: 4, said: Ok(Value::Number(1 << 40)) });
    assert_eq!(read(&refusal(5, "no such unit")), Reply { to: 5, said: Err("no such unit".to_owned()) });
    let nothing = answer(6, "", |_| {});
    assert_eq!(read(&nothing), Reply { to: 6, said: Ok(Value::Else) });
    let wordless = message(ERROR, 7, "", |_| {});
    assert_eq!(read(&wordless).said, Err("org.example.No".to_owned()));
    let deep = answer(8, "v", |body| body.extend(b"\x02aa\0"));
    assert_eq!(read(&deep).said, Ok(Value::Else), "another type than what is asked for");
}

/// A message whose sender counts from the other end.
#[test]
fn either_order_of_bytes_is_read() {
    let mut other = vec![b'B', ANSWER, 1, VERSION, 0, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 15];
    other.extend(b"\x05\x01u\0\0\0\0\x03");
    other.extend(b"\x08\x01g\0\x01v\0\0");
    other.extend(b"\x01u\0\0\0\0\x01\x02");
    other.extend([0; 4]);
    assert_eq!(length(&other), Ok(Some(other.len() as u64)));
    assert_eq!(Reply::decode(&other), Some(Reply { to: 3, said: Ok(Value::Number(258)) }));
}

#[test]
fn what_is_no_message_is_found_out_at_once() {
    let good = text(3, "active");
    assert_eq!(length(&good[..15]), Ok(None));
    for (at, byte) in [(0, b'x'), (3, 2), (7, 0xff), (15, 0xff)] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert_eq!(length(&bad), Err(NoMessage), "byte {at}");
    }
}

#[test]
fn a_message_cut_or_changed_anywhere_is_survived() {
    for good in [text(3, "active"), number(4, 1 << 40), refusal(5, "no")] {
        for end in 0..good.len() {
            let _ = Reply::decode(&good[..end]);
        }
        for (at, byte) in (0..good.len()).flat_map(|at| [0, 1, 7, 0x7f, 0xff].map(|byte| (at, byte))) {
            let mut bad = good.clone();
            bad[at] = byte;
            let _ = (length(&bad), Reply::decode(&bad));
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_crash_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0_usize..4) {
        let start: &[u8] = [&b""[..], b"l\x02\x01\x01", b"B\x03\x01\x01", b"l\x02\x01\x01\x08\0\0\0\x01\0\0\0\x20\0\0\0"][start];
        let bytes = [start, &bytes].concat();
        let _ = (length(&bytes), Reply::decode(&bytes));
    }
}
