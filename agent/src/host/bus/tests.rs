use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use proptest::prelude::*;
use rustix::net::sockopt::socket_peercred;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::message::length;
use super::message::tests::{number, refusal, text};
use super::*;

/// Far more than anything takes here; only a fault lasts as long.
const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(100);
const OK: &[u8] = b"OK 0123456789abcdef\r\n";

/// The other end of the line.
struct Fake(UnixStream);

fn line(limit: Duration) -> (Arc<Bus>, Fake) {
    let (own, other) = StdStream::pair().unwrap();
    own.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    let bus = Bus { limit, ..Bus::over(Dialled(Ok(own))) };
    (Arc::new(bus), Fake(UnixStream::from_std(other).unwrap()))
}

impl Fake {
    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The numbers of so many calls.
    async fn hear(&mut self, count: usize) -> Vec<u32> {
        let mut serials = Vec::new();
        for _ in 0..count {
            let mut call = vec![0; 16];
            self.0.read_exact(&mut call).await.unwrap();
            let whole = usize::try_from(length(&call).unwrap().unwrap()).unwrap();
            serials.push(u32::from_le_bytes(call[8..12].try_into().unwrap()));
            call.resize(whole, 0);
            self.0.read_exact(&mut call[16..]).await.unwrap();
        }
        serials
    }
}

async fn ask(bus: &Bus, count: usize) -> Result<Vec<Said>, Silence> {
    let call = Call { destination: "a.b", path: "/c", interface: "d.e", member: "F", arguments: &["g"] };
    let asked = bus.ask(std::iter::once(vec![call; count]));
    let answers = tokio::time::timeout(PATIENCE, asked).await.expect("it hangs");
    answers.map(|mut answers| answers.remove(0))
}

fn said(text: &str) -> Said {
    Ok(Value::Text(text.to_owned()))
}

#[tokio::test]
async fn answers_find_their_questions_whatever_else_is_said() {
    let (bus, mut fake) = line(PATIENCE);
    let answering = async {
        fake.say(OK).await;
        fake.say(&text(1, ":1.7")).await;
        let serials = fake.hear(3).await;
        assert_eq!(serials, [2, 3, 4]);
        let mut signal = text(3, "not an answer");
        signal[1] = 4;
        fake.say(&signal).await;
        // Far larger than what is kept, and then what nobody asked.
        let mut huge = text(3, &"x".repeat(200_000));
        huge[1] = 4;
        fake.say(&huge).await;
        fake.say(&text(77, "nobody asked")).await;
        for answer in [number(4, 9), refusal(3, "no"), text(2, "yes")] {
            for byte in answer {
                fake.say(&[byte]).await;
            }
        }
    };
    let (answers, ()) = tokio::join!(ask(&bus, 3), answering);
    assert_eq!(answers.unwrap(), [said("yes"), Err("no".to_owned()), Ok(Value::Number(9))]);
}

#[tokio::test]
async fn a_bus_that_hangs_costs_one_limit_and_answers_again_when_it_lives() {
    let (bus, mut fake) = line(SOON);
    fake.say(OK).await;
    let (one, two) = tokio::join!(ask(&bus, 1), ask(&bus, 1));
    assert_eq!((one, two), (Err(Silence::TooSlow(SOON)), Err(Silence::TooSlow(SOON))));
    let first = fake.hear(1).await;
    let bus = Bus { limit: PATIENCE, line: Arc::into_inner(bus).unwrap().line };
    let answering = async {
        fake.say(&text(first[0], "too late")).await;
        loop {
            let next = fake.hear(1).await;
            fake.say(&text(next[0], "in time")).await;
        }
    };
    tokio::select! {
        answers = ask(&bus, 1) => assert_eq!(answers.unwrap(), [said("in time")]),
        () = answering => {}
    }
}

#[tokio::test]
async fn a_line_that_is_lost_is_lost_for_good_and_says_why() {
    for (bytes, why) in [
        (&b""[..], "it hung up"),
        (b"OK", "it hung up"),
        (b"REJECTED EXTERNAL\r\n", "it does not let this user in"),
        (&[b'x'; 2000], "no message of its protocol"),
        (b"OK 1\r\nHTTP/1.1 400 Bad Request", "no message of its protocol"),
        (&[OK, &refusal(1, "too many of you")].concat(), "too many of you"),
    ] {
        let (bus, mut fake) = line(PATIENCE);
        fake.say(bytes).await;
        fake.0.shutdown().await.unwrap();
        for _ in 0..2 {
            let silence = ask(&bus, 1).await.unwrap_err();
            assert!(matches!(&silence, Silence::Lost(said) if said.contains(why)), "{silence:?} for {why}");
        }
    }
}

#[tokio::test]
async fn where_there_is_none_that_is_told() {
    let absent = dial(Path::new("/nowhere/bus")).unwrap_err();
    assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    let silence = ask(&Bus::none(), 1).await.unwrap_err();
    assert_eq!(
        silence.to_string(),
        "this agent has no line to the machine's bus: it is a part of another program"
    );
}

#[tokio::test]
async fn the_bus_sees_nobody_where_the_agent_is_root() {
    let folder = tempfile::tempdir().unwrap();
    let open_to_all = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let path = folder.path().join("bus");
    let listener = UnixListener::bind(&path).unwrap();
    open_to_all(folder.path(), 0o755);
    open_to_all(&path, 0o777);
    let own = geteuid();
    let dialled = dial(&path).unwrap();
    assert_eq!(geteuid(), own, "it is itself again");
    let (bus, _) = listener.accept().unwrap();
    let user = if own.is_root() { NOBODY } else { own.as_raw() };
    assert_eq!(socket_peercred(&bus).unwrap().uid.as_raw(), user);
    bus.set_nonblocking(true).unwrap();
    let mut fake = Fake(UnixStream::from_std(bus).unwrap());
    let hello = conversation::greeting(user);
    let mut heard = vec![0; hello.len()];
    fake.0.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, hello);
    let digits: String = user.to_string().chars().map(|digit| format!("3{digit}")).collect();
    let words = format!("\0AUTH EXTERNAL {digits}\r\nBEGIN\r\n");
    assert!(heard.starts_with(words.as_bytes()));
    drop(dialled);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_bytes_of_the_bus_crash_the_agent(bytes in prop::collection::vec(any::<u8>(), 0..400), start in 0_usize..3) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = [&b""[..], OK, b"OK 1\r\nl\x02\x01\x01\x20\0\0\0\x01\0\0\0\x08\0\0\0\x05\x01u\0\x02\0\0\0"][start];
        runtime.block_on(async {
            let (bus, mut fake) = line(PATIENCE);
            fake.say(&[start, &bytes].concat()).await;
            fake.0.shutdown().await.unwrap();
            let _ = ask(&bus, 1).await;
        });
    }
}
