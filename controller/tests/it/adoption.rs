//! Adoption with the built programs: what a person types and reads, and what a crash at any moment leaves behind.

use std::fs;
use std::net::SocketAddr;
use std::process::Output;
use std::rc::Rc;
use std::sync::Arc;

use certs::adoption::Code;
use certs::tls::adoption::{client_config, server_config};
use certs::{Algorithm, Authority, Grant, Identity, Validity};
use protocol::adoption::{self, ALPN, FromAgent};
use protocol::{MAX_REPLY_FRAME, MessageStream};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::foundling::{Foundling, WRITES, can_be_killed_at_writes, code_in};
use crate::site::{Site, text};

#[test]
fn two_commands_to_the_first_answer() {
    let mut found = Foundling::new();
    let told = found.told().unwrap();
    // Standard output is the code and nothing else, so that a script can carry it.
    assert_eq!(told.trim(), code_in(&told));
    let words = text(&found.agent(&["code", "--for", "10m"]).stderr);
    assert!(words.contains(&format!("\n  controller adopt {}\n", found.address)), "{words}");
    let code = found.code();

    let site = Site::without_home();
    let adopted = site.run_with_input(&["adopt", &found.address, "--name", "web-1"], code.as_bytes());
    assert_eq!(adopted.status.code(), Some(0), "{}", text(&adopted.stderr));
    assert!(text(&adopted.stdout).starts_with(&format!("web-1 at {} is yours, until ", found.address)));
    assert!(site.good(&["info", "web-1"]).contains("web-1, version"));

    let again = found.agent(&["code"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).starts_with("agent: this machine is web-1 already, until "));
}

#[test]
fn what_goes_wrong_is_said_to_who_may_know() {
    let mut found = Foundling::new();
    let old = found.code();
    let code = found.code();
    let site = Site::new();
    let mut seen = String::new();
    let mut note = |what: &str, output: &Output| {
        let said = text(&output.stderr).replace(&found.address, "[address]");
        let said = said.replace(site.folder.path().to_str().unwrap(), "[folder]");
        seen += &format!("{what}: exit {}\n{said}\n", output.status.code().unwrap());
    };
    let adopt = |words: &[&str], input: &str| {
        site.run_with_input(&[&["adopt", &found.address], words].concat(), input.as_bytes())
    };
    let strange = Code::random().unwrap().to_string();
    note("no code", &adopt(&[], ""));
    note("mistyped", &adopt(&[], &strange[..strange.len() - 1]));
    note("wrong code", &adopt(&[], &strange));
    note("code on the command line", &adopt(&["--code", &strange], ""));
    note("no such file", &adopt(&["--code-file", "/nowhere/code"], ""));

    note("replaced code", &adopt(&[], &old));
    site.good(&["issue", "web-1", "--address", "192.0.2.7", "--out", site.path("x").to_str().unwrap()]);
    note("name taken", &adopt(&["--name", "web-1"], &code));
    note("name impossible", &adopt(&["--name", "Web 1"], &code));
    note("nobody there", &site.run_with_input(&["adopt", "127.0.0.1:1"], code.as_bytes()));
    note("in the middle", &in_the_middle(&site, found.address.parse().unwrap(), &code));

    // After all of this the code is as good as before.
    let good = adopt(&["--name", "web-2"], &code);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    note("yours already", &adopt(&[], &code));
    let other = Site::new();
    note("somebody else's", &other.run_with_input(&["adopt", &found.address], code.as_bytes()));
    insta::with_settings!({ filters => [(r"127\.0\.0\.1:\d{2,}", "[address]")] }, { insta::assert_snapshot!(seen) });
}

/// Ends TLS on both sides, carries the proof to the real agent, and when that does not help makes up an answer.
fn in_the_middle(site: &Site, agent: SocketAddr, code: &str) -> Output {
    let listener = site.listener("127.0.0.1:0");
    let address = listener.local_addr().unwrap();
    let middle = site.runtime.spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(ALPN).unwrap()));
        let mut desk = MessageStream::new(acceptor.accept(socket).await.unwrap(), MAX_REPLY_FRAME);
        let connector = TlsConnector::from(Arc::new(client_config(ALPN).unwrap()));
        let socket = TcpStream::connect(agent).await.unwrap();
        let stream = connector.connect(ServerName::from(agent.ip()), socket).await.unwrap();
        let mut agent = MessageStream::new(stream, MAX_REPLY_FRAME);

        let claim = desk.receive().await.unwrap().unwrap();
        let (claim, _) = adoption::read::<adoption::ToAgent>(&claim).unwrap();
        adoption::put(agent.outbox(), &claim, &[]).unwrap();
        agent.flush().await.unwrap();
        let (said, _) = adoption::read::<FromAgent>(&agent.receive().await.unwrap().unwrap()).unwrap();
        assert!(matches!(said, FromAgent::Refusal(_)), "the agent believed a proof of another connection");

        let adoption::ToAgent::Claim { proof } = claim else { panic!("no claim: {claim:?}") };
        let offer = FromAgent::Offer { proof, host_name: "web-1".to_owned(), version: "0".to_owned() };
        adoption::put(desk.outbox(), &offer, b"").unwrap();
        desk.flush().await.unwrap();
        // Nothing more may come: least of all a certificate.
        assert!(!matches!(desk.receive().await, Ok(Some(_))), "the desk went on");
    });
    let output = site.run_with_input(&["adopt", &address.to_string()], code.as_bytes());
    site.runtime.block_on(middle).unwrap();
    output
}

#[test]
fn many_are_adopted_with_one_command() {
    let mut foundlings: Vec<Foundling> = (0..8).map(|_| Foundling::new()).collect();
    let site = Site::new();
    let mut list = String::from("# host code name\n\n");
    for (number, found) in foundlings.iter_mut().enumerate() {
        let code = found.code();
        list += &format!("{} {code} web-{number}\n", found.address);
    }
    list += &format!("127.0.0.1:1 {} gone\n", Code::random().unwrap());
    let output = site.run_with_input(&["adopt", "--file", "-", "--output", "json"], list.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "rollcall.adopt/1");
    let hosts = report["hosts"].as_array().unwrap();
    for (number, host) in hosts[..8].iter().enumerate() {
        assert_eq!(host["answer"]["name"], format!("web-{number}"), "{host}");
    }
    assert_eq!(hosts[8]["failure"]["stage"], "connect");
    site.good(&["uptime", "web-7"]);
}

#[test]
fn a_list_with_a_slip_adopts_nobody() {
    let mut found = Foundling::new();
    let site = Site::new();
    let right = found.code();
    let good = format!("{} {right}", found.address);
    let code = Code::random().unwrap();
    for (line, fault) in [
        ("alone", "line 2: this is not two or three words"),
        ("host code", "line 2: this is no code: a code has no 'U'"),
        (&format!("host {code} Web"), "line 2: `Web` cannot be a name"),
        (&good[..], "stands here twice"),
    ] {
        let list = format!("{good}\n{}\n", line.replace("host code", "host UUUUU"));
        let output = site.run_with_input(&["adopt", "--file", "-"], list.as_bytes());
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(fault), "{}", text(&output.stderr));
    }
    assert!(found.identity().is_none());
}

/// Kills the agent at each of its writes, one after the other, until an adoption gets through.
#[test]
fn a_crash_at_any_write_leaves_it_adopted_or_not_and_nothing_between() {
    if !can_be_killed_at_writes() {
        return;
    }
    let site = Site::new();
    let (mut before, mut after) = (0, 0);
    for (kind, call) in WRITES.into_iter().enumerate() {
        for count in 1.. {
            assert!(count < 50, "no adoption ever got through");
            let name = format!("web-{kind}-{count}");
            let (is_adopted, believed) = killed_while_adopted(&site, &name, call, count);
            assert!(
                is_adopted || !believed,
                "{call} {count}: the desk believes in an adoption that is not there"
            );
            if believed {
                break;
            }
            if is_adopted { after += 1 } else { before += 1 }
        }
    }
    assert!(before > 5 && after > 1, "killed too early or too late: {before}, {after}");
}

/// Whether the agent is adopted after it was killed, and whether the desk believes so.
fn killed_while_adopted(site: &Site, name: &str, call: &str, count: usize) -> (bool, bool) {
    let state = Rc::new(tempfile::tempdir().unwrap());
    let mut found = Foundling::killed_at(&state, call, count);
    let output = found.as_mut().and_then(Foundling::told).zip(found.as_ref()).map(|(told, found)| {
        let words = ["--timeout", "5s", "adopt", &found.address, "--name", name];
        site.run_with_input(&words, code_in(&told).as_bytes())
    });
    drop(found);

    // Whatever was there, the next start makes the best of it.
    let mut again = Foundling::at(&state, &[]).expect("it starts again");
    let is_adopted = again.identity().is_some();
    if is_adopted {
        site.good(&["uptime", &again.address]);
    } else {
        let code = again.code();
        let words = ["adopt", &again.address, "--name", &format!("{name}-again")];
        let retried = site.run_with_input(&words, code.as_bytes());
        assert_eq!(retried.status.code(), Some(0), "{call} {count}: {}", text(&retried.stderr));
    }
    (is_adopted, output.is_some_and(|output| output.status.success()))
}

#[test]
fn reset_asks_and_then_forgets() {
    let found = Foundling::new();
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let identity = Identity::agent("web-1".parse().unwrap());
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
    let credentials = authority.issue(Algorithm::Ed25519, &grant).unwrap();
    let nothing = found.agent(&["reset", "--yes"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("there is nothing to forget"));
    let file = found.state.path().join("identity.bundle");
    credentials.save(&file, certs::store::Existing::Keep).unwrap();
    let unsure = found.agent(&["reset"]);
    assert_eq!((unsure.status.code(), file.exists()), (Some(1), true));
    assert!(text(&unsure.stderr).contains("this machine is web-1 already"));
    let sure = found.agent(&["reset", "--yes"]);
    assert_eq!((sure.status.code(), file.exists()), (Some(0), false));
    fs::write(&file, "half").unwrap();
    assert_eq!(found.agent(&["reset", "--yes"]).status.code(), Some(0));
}
