//! The runner by itself, and in the place of the process that speaks with peers somebody who has taken it over: whatever he says,
//! nothing is started but what is declared.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

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
             [command.sleep]\nexec = [\"/bin/sleep\", \"1000\"]\n",
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

    /// Sends these bytes with a socket to answer on, and returns all that is answered there.
    fn say(&self, bytes: &[u8]) -> Vec<Value> {
        let (ours, theirs) = pair();
        send(&self.control, bytes, &theirs);
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

fn send(control: &OwnedFd, bytes: &[u8], reply: &OwnedFd) {
    let with = [reply.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&with)));
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
    assert_eq!(told[0], "Started", "{told:?}");
    assert_eq!(told[1]["Ended"]["code"], 0);
    assert_eq!(captive.marks(), [captive.folder.path().join("good")]);
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
        send(control, &start("run", "sleep", &json!({})), &theirs);
        drop(theirs);
        assert_eq!(hear(&ours), Some(json!("Started")));
        let runner = child.id();
        let sleeps = fs::read_to_string(format!("/proc/{runner}/task/{runner}/children")).unwrap();
        let sleeps = format!("/proc/{}", sleeps.trim());
        assert!(PathBuf::from(&sleeps).exists());
        match last_word {
            b"" => drop(std::mem::replace(control, pair().0)),
            rubbish => send(control, rubbish, &pair().0),
        }
        child.wait().unwrap();
        assert!(!PathBuf::from(&sleeps).exists(), "{last_word:?}");
    }
}

#[test]
fn whoever_does_not_take_what_he_is_told_holds_up_nobody_else() {
    let captive = Captive::new();
    let more_than_may_run = 9;
    let deaf: Vec<OwnedFd> = (0..more_than_may_run)
        .map(|_| {
            let (ours, theirs) = pair();
            while rustix::net::send(&theirs, &[0; 1024], SendFlags::DONTWAIT).is_ok() {}
            send(&captive.control, &start("check", "mark", &json!({"name": "deaf"})), &theirs);
            ours
        })
        .collect();
    let told = captive.say(&start("check", "mark", &json!({"name": "good"})));
    assert_eq!(told[1]["Ended"]["code"], 0, "{told:?}");
    drop(deaf);
}
