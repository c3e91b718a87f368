//! The runner by itself, and in the place of the process that speaks with peers somebody who has taken it over: whatever he says,
//! nothing is started but what is declared.

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Captive {
    control: OwnedFd,
    child: Child,
    folder: TempDir,
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

impl Captive {
    fn new() -> Captive {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("agent.toml");
        let declared = format!(
            "[check.mark]\nexec = [\"/usr/bin/touch\", \"{}/{{name}}\"]\nparameter.name.regex = \"[a-z]+\"\n\
             [command.sleep]\nexec = [\"/bin/sh\", \"-c\", \"echo; exec sleep 1000\"]\n",
            folder.path().display()
        );
        fs::write(&config, declared).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
        let (control, theirs) = pair();
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
        command.args(["runner", "--config"]).arg(&config).stdin(Stdio::from(theirs)).stderr(Stdio::null());
        let captive = Captive { control, child: command.spawn().unwrap(), folder };
        assert_eq!(hear(&captive.control), Some(json!({ "Ready": [] })));
        captive
    }

    /// Sends these bytes with a socket to answer on and a pipe to write to, and returns all that is answered there.
    fn say(&self, bytes: &[u8]) -> Vec<Value> {
        let (_reader, output) = io::pipe().unwrap();
        self.say_with(bytes, &[output.as_fd()])
    }

    fn say_with(&self, bytes: &[u8], with: &[BorrowedFd<'_>]) -> Vec<Value> {
        let (ours, theirs) = pair();
        send(&self.control, bytes, &[&[theirs.as_fd()], with].concat());
        drop(theirs);
        std::iter::from_fn(|| hear(&ours)).collect()
    }

    fn marks(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_none()).collect()
    }
}

impl Drop for Captive {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(control: &OwnedFd, bytes: &[u8], with: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(with)));
    // It may have ended over what was said before.
    let _ = sendmsg(control, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL);
}

fn hear(socket: &OwnedFd) -> Option<Value> {
    let mut bytes = vec![0; 64 << 10];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::empty());
    match received.map_or(0, |received| received.bytes) {
        0 => None,
        count => Some(serde_json::from_slice(&bytes[..count]).unwrap()),
    }
}

fn start(sort: &str, name: &str, given: &Value) -> Vec<u8> {
    json!({"Start": {"sort": sort, "name": name, "given": given}}).to_string().into_bytes()
}

#[test]
fn only_what_is_declared_is_started_whoever_asks() {
    let captive = Captive::new();
    for (order, kind) in [
        (start("run", "mark", &json!({"name": "a"})), "not_declared"),
        (start("check", "Mark", &json!({"name": "a"})), "not_declared"),
        (start("check", "/bin/sh", &json!({})), "not_declared"),
        (start("check", "", &json!({})), "not_declared"),
        (start("check", "mark", &json!({})), "bad_parameter"),
        (start("check", "mark", &json!({"name": "../../tmp/a"})), "bad_parameter"),
        (start("check", "mark", &json!({"name": "a\n"})), "bad_parameter"),
        (start("check", "mark", &json!({"name": "a", "exec": "/bin/sh"})), "bad_parameter"),
    ] {
        let told = captive.say(&order);
        assert_eq!(told[0]["Refused"]["kind"], kind, "{}: {told:?}", String::from_utf8_lossy(&order));
    }
    assert!(captive.marks().is_empty());
    let told = captive.say(&start("check", "mark", &json!({"name": "good"})));
    assert_eq!(told[0]["Ended"]["code"], 0, "{told:?}");
    assert_eq!(captive.marks(), [captive.folder.path().join("good")]);
}

#[test]
fn a_program_writes_to_pipes_without_a_name_and_to_nothing_else() {
    let captive = Captive::new();
    let named = captive.folder.path().join("named.pipe");
    mknodat(CWD, &named, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let open = |flags| openat(CWD, &named, flags, Mode::empty()).unwrap();
    let (reader, _writer) = io::pipe().unwrap();
    let others = [
        pair().0,
        File::create(captive.folder.path().join("a.file")).unwrap().into(),
        open(OFlags::PATH),
        open(OFlags::RDWR),
        reader.into(),
    ];
    for other in others {
        let told = captive.say_with(&start("check", "mark", &json!({"name": "other"})), &[other.as_fd()]);
        assert_eq!(told[0]["Refused"]["kind"], "failed", "{other:?}: {told:?}");
    }
    for count in [0, 2] {
        let (_reader, writer) = io::pipe().unwrap();
        let order = start("check", "mark", &json!({"name": "other"}));
        let told = captive.say_with(&order, &vec![writer.as_fd(); count]);
        assert_eq!(told[0]["Refused"]["kind"], "failed", "{count}: {told:?}");
    }
    assert!(captive.marks().is_empty());
}

#[test]
fn what_is_no_order_is_the_end_of_it() {
    let started = json!({"name": "a"});
    let [ends, extra] = [0, 1].map(|_| start("check", "mark", &started));
    let orders = [
        b"rubbish".to_vec(),
        b"{}".to_vec(),
        br#"{"Exec":{"argv":["/bin/sh"]}}"#.to_vec(),
        [&ends[..ends.len() - 1], b",\"x\":1}"].concat(),
        [&extra[..], b"trailing"].concat(),
        br#"{"Start":{"sort":"shell","name":"sh","given":{}}}"#.to_vec(),
    ];
    for order in orders {
        let mut captive = Captive::new();
        let shown = String::from_utf8_lossy(&order).into_owned();
        assert_eq!(captive.say(&order), [] as [Value; 0], "{shown}");
        assert_eq!(captive.child.wait().unwrap().code(), Some(1), "{shown}");
        assert!(captive.marks().is_empty(), "{shown}");
    }
}

#[test]
fn whatever_is_said_what_runs_ends_with_the_runner() {
    for last_word in [b"rubbish".as_slice(), b""] {
        let mut captive = Captive::new();
        let (ours, theirs) = pair();
        let Captive { control, child, .. } = &mut captive;
        let (mut reader, output) = io::pipe().unwrap();
        send(control, &start("run", "sleep", &json!({})), &[theirs.as_fd(), output.as_fd(), output.as_fd()]);
        drop((theirs, output));
        reader.read_exact(&mut [0; 1]).unwrap();
        let runner = child.id();
        let sleeps = fs::read_to_string(format!("/proc/{runner}/task/{runner}/children")).unwrap();
        let sleeps = format!("/proc/{}", sleeps.trim());
        assert!(PathBuf::from(&sleeps).exists());
        match last_word {
            b"" => drop(std::mem::replace(control, pair().0)),
            rubbish => send(control, rubbish, &[pair().0.as_fd()]),
        }
        child.wait().unwrap();
        assert!(!PathBuf::from(&sleeps).exists(), "{last_word:?}");
        drop(ours);
    }
}

#[test]
fn whoever_does_not_take_what_he_is_told_holds_up_nobody_else() {
    let captive = Captive::new();
    let more_than_may_run = 9;
    let deaf: Vec<(OwnedFd, io::PipeReader)> = (0..more_than_may_run)
        .map(|_| {
            let (ours, theirs) = pair();
            while rustix::net::send(&theirs, &[0; 1024], SendFlags::DONTWAIT).is_ok() {}
            let (reader, output) = io::pipe().unwrap();
            let order = start("check", "mark", &json!({"name": "deaf"}));
            send(&captive.control, &order, &[theirs.as_fd(), output.as_fd()]);
            (ours, reader)
        })
        .collect();
    let told = captive.say(&start("check", "mark", &json!({"name": "good"})));
    assert_eq!(told.last().unwrap()["Ended"]["code"], 0, "{told:?}");
    drop(deaf);
}
