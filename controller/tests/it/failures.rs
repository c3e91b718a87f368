//! Every way in which a host fails: at which stage, in which words, with which exit code. The words are in one snapshot,
//! to be read in one go as somebody would who is tired.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use certs::adoption::Code;
use certs::store::Existing;
use certs::{Algorithm, Authority, Credentials, Pending, tls};
use controller::error::{Failure, Kind, Trouble};
use controller::hosts::Host;
use jiff::{SignedDuration, Timestamp};
use protocol::message::{Outcome, put_reply};
use protocol::requests::install::{Install, Installed};
use protocol::requests::renew::{Renew, SigningRequest};
use protocol::{ALPN, Request, adoption};
use rcgen::{CertificateParams, Issuer, KeyPair};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, CertificateError, ServerConfig, version};

use crate::audit;
use crate::declared::Workshop;
use crate::impostors::{Minted, Then, believing_in, fake, framed, raw};
use crate::site::{MASKS, Site, text};

/// What people and scripts get to see of failures.
#[derive(Default)]
struct Seen {
    pages: String,
    /// Each kind with its stage, as scripts read them.
    kinds: BTreeSet<String>,
}

impl Seen {
    /// Runs a verb that must fail, and writes down how.
    fn note(&mut self, case: &str, site: &Site, words: &[&str]) {
        let output = site.run(&[words, &["--output", "jsonl"]].concat());
        let code = output.status.code().unwrap();
        let said = text(&output.stderr);
        assert!(said.lines().count() <= 3, "{case}: more than three lines: {said}");
        assert!(said.contains("\n  try: "), "{case}: what mends it? {said}");
        let said = said.replace(site.folder.path().to_str().unwrap(), "[folder]");
        let kind = match text(&output.stdout).lines().last() {
            None => "nothing was asked".to_owned(),
            Some(line) => self.produced(&serde_json::from_str::<Value>(line).unwrap()["failure"]),
        };
        self.pages += &format!("{case}: exit {code}, {kind}\n{said}\n");
    }

    /// Writes down a failure that nothing outside of the program can bring about yet.
    fn note_made(&mut self, case: &str, failure: Failure) {
        let kind = self.produced(&serde_json::to_value(&failure).unwrap());
        self.pages += &format!("{case}: {kind}\n{}\n", Trouble::Host(failure).text());
    }

    fn produced(&mut self, failure: &Value) -> String {
        assert!(failure["hint"].is_string(), "{failure} has no hint");
        let kind = format!("{} {}", failure["stage"].as_str().unwrap(), failure["kind"].as_str().unwrap());
        self.kinds.insert(kind.clone());
        kind
    }
}

#[test]
fn every_kind_in_which_words_and_with_which_code() {
    let mut seen = Seen::default();
    reaching(&mut seen);
    speaking(&mut seen);
    believing(&mut seen);
    asking(&mut seen);
    adopting(&mut seen);
    recording(&mut seen);
    renewing(&mut seen);
    let words_of_the_system = [(r"(\[fe80::1\]:5669): .*", "$1: [words of the system]")];
    let filters = [&MASKS[..], &words_of_the_system].concat();
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(seen.pages) });

    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let operations = fs::read_to_string(operations).unwrap();
    for kind in Kind::ALL {
        let json = serde_json::json!([kind.stage(), kind]);
        let (stage, word) = (json[0].as_str().unwrap(), json[1].as_str().unwrap());
        assert!(seen.kinds.remove(&format!("{stage} {word}")), "no test produces {kind:?}");
        let is_documented =
            |line: &str| line.starts_with(&format!("| `{stage}` |")) && line.contains(&format!("`{word}`"));
        assert!(operations.lines().any(is_documented), "{kind:?} is not in docs/operations.md");
    }
    // What is left are the agent's own reasons, of which the protocol keeps the list.
    let refusals = ["request failed", "request not_permitted", "request other", "request unknown_request"];
    assert_eq!(seen.kinds, refusals.map(str::to_owned).into());
}

fn recording(seen: &mut Seen) {
    let (site, state) = audit::site();
    site.good(&["audit", "web-1"]);
    let first = audit::noted(&site);
    audit::note(&site, 1000, &first["hash"]);
    seen.note("an audit log that was cut", &site, &["audit", "web-1"]);
    fs::remove_dir_all(site.home().join("receipts")).unwrap();
    audit::change(&state.path().join("audit/current.jsonl"), "\"audit\"", "\"watch\"");
    seen.note("an audit log that was changed", &site, &["audit", "web-1"]);
}

fn adopting(seen: &mut Seen) {
    let (mut site, address) = Site::with_agent();
    let code = Code::random().unwrap();
    let file = site.path("code");
    fs::write(&file, code.to_string()).unwrap();
    let mut note = |case: &str, site: &Site, at: &str| {
        seen.note(case, site, &["adopt", at, "--name", "web-7", "--code-file", file.to_str().unwrap()]);
    };
    note("to adopt one's own", &site, &address.to_string());
    let theirs = Authority::create(Algorithm::Ed25519).unwrap();
    let listener = site.listener("127.0.0.1:0");
    let of_another = listener.local_addr().unwrap().to_string();
    site.serve(&Minted::good(&theirs, "rollcall://agent/web-2").credentials(), listener);
    note("to adopt another's", &site, &of_another);

    let config = Arc::new(tls::adoption::server_config(adoption::ALPN).unwrap());
    let lie = r#"{"offer":{"proof":"00","host_name":"web-7","version":"0.1.0"}}"#;
    note(
        "an offer from somebody who does not know the code",
        &site,
        &fake(&site, config, framed(lie), Then::Hold),
    );

    // In a list, what is wrong at this desk is told of the machine that it concerns.
    let list =
        site.run_with_input(&["adopt", "--file", "-", "--output", "jsonl"], format!("a! {code}").as_bytes());
    let list = text(&list.stdout);
    let line: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    let kind = seen.produced(&line["failure"]);
    seen.pages += &format!("a list that names no host: {kind}\n{}\n", line["failure"]);
}

fn renewing(seen: &mut Seen) {
    let (site, address) = Site::with_agent();
    seen.note("an agent without a file", &site, &["renew", &address.to_string()]);

    let credentials = site.issue("web-2", "127.0.0.1");
    let config = Arc::new(tls::server_config(&credentials, ALPN).unwrap());
    let pending = Pending::create(Algorithm::Ed25519, None).unwrap();
    let mut says = Vec::new();
    let request = SigningRequest { der: pending.request().der().to_vec().into() };
    let (name, certificate_ends) = ("web-2".to_owned(), Timestamp::UNIX_EPOCH);
    let installed = Installed { name, certificate_ends, authorities: Vec::new() };
    put_reply(&mut says, Some(1), &Outcome::Answer(Renew::into_answer(request))).unwrap();
    put_reply(&mut says, Some(2), &Outcome::Answer(Install::into_answer(installed))).unwrap();
    let liar = fake(&site, Arc::clone(&config), says.leak(), Then::Hold);
    seen.note("an agent that only says so", &site, &["renew", &liar]);
    let rubbish = fake(&site, config, framed(r#"{"id":1,"answer":{}}"#), Then::Hold);
    seen.note("no signing request", &site, &["renew", &rubbish]);

    // Of many, what is wrong at this desk is told of the machine that it concerns.
    for verb in ["renew", "sync"] {
        let slip = "[hosts.a]\nport = \"x\"\n[hosts.b]\nport = \"x\"\n";
        fs::write(site.home().join("hosts.toml"), slip).unwrap();
        let lines = site.run(&[verb, "a", "b", "--output", "jsonl"]);
        let line: Value = serde_json::from_str(text(&lines.stdout).lines().next().unwrap()).unwrap();
        let kind = seen.produced(&line["failure"]);
        let told = line["failure"].to_string().replace(site.folder.path().to_str().unwrap(), "[folder]");
        seen.pages += &format!("a slip in the list, among many to {verb}: {kind}\n{told}\n");
    }
}

#[test]
fn people_read_a_failure_once() {
    let site = Site::new();
    let output = site.run(&["info", "nowhere.invalid"]);
    assert!(output.stdout.is_empty() && !output.stderr.is_empty());
}

fn reaching(seen: &mut Seen) {
    let site = Site::new();
    seen.note("name not found", &site, &["info", "nowhere.invalid"]);
    let gone = site.nowhere();
    seen.note("refused", &site, &["info", &gone]);

    let (full, _held) = site.runtime.block_on(full_backlog());
    seen.note("connect timed out", &site, &["--timeout", "300ms", "info", &full.to_string()]);
    // Nobody connects to everybody, nor to a neighbour without saying on which side.
    seen.note("unreachable", &site, &["info", "255.255.255.255"]);
    seen.note("connect failed", &site, &["info", "fe80::1"]);

    let host = Host { label: "web-1".to_owned(), expected: None, endpoints: Vec::new() };
    let unanswered = "failed to lookup address information: Temporary failure in name resolution";
    seen.note_made("no name service", Failure::lookup(&host, "web-1", unanswered));
}

/// A listener that takes no connection and has no room to let one wait.
pub(crate) async fn full_backlog() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        held.push(connected.unwrap());
    }
    (address, (listener, held))
}

fn speaking(seen: &mut Seen) {
    let site = Site::new();
    let ssh = raw(&site, b"SSH-2.0-OpenSSH_9.2p1\r\n", true);
    seen.note("not TLS", &site, &["info", &ssh]);
    let old = raw(&site, b"\x15\x03\x03\x00\x02\x02\x46", true);
    seen.note("TLS 1.2 only", &site, &["info", &old]);
    let silent = raw(&site, b"", true);
    seen.note("silent", &site, &["--timeout", "300ms", "info", &silent]);
    let closes = raw(&site, b"", false);
    seen.note("closes at once", &site, &["info", &closes]);
    let confused = raw(&site, b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00", true);
    seen.note("the end of a handshake at its beginning", &site, &["info", &confused]);

    let mut config = tls::server_config(&site.issue("web-1", "127.0.0.1"), b"h2").unwrap();
    let web = fake(&site, Arc::new(config.clone()), b"", Then::Hold);
    seen.note("another protocol", &site, &["info", &web]);
    config.alpn_protocols = vec![ALPN.to_vec()];
    let resets = fake(&site, Arc::new(config), b"", Then::Reset);
    seen.note("a connection that is reset", &site, &["info", &resets]);

    // The other side ends the handshake with an alert, whose number says why.
    for (case, alert) in [
        ("refused for no reason that we know", &b"\x15\x03\x03\x00\x02\x02\x50"[..]),
        ("refused for no certificate", b"\x15\x03\x03\x00\x02\x02\x74"),
        ("refused as no controller", b"\x15\x03\x03\x00\x02\x02\x2b"),
        ("refused as nobody", b"\x15\x03\x03\x00\x02\x02\x2a"),
        ("refused as revoked", b"\x15\x03\x03\x00\x02\x02\x2c"),
        ("refused for its dates, which are right", b"\x15\x03\x03\x00\x02\x02\x2d"),
    ] {
        let address = raw(&site, alert, true);
        seen.note(case, &site, &["info", &address]);
    }
}

fn believing(seen: &mut Seen) {
    let (mut site, address) = Site::with_agent();
    let at = address.to_string();
    let hours = SignedDuration::from_hours;
    let ours = Authority::load(&site.home().join("authority.pem")).unwrap();
    let theirs = Authority::create(Algorithm::Ed25519).unwrap();
    let agent = "rollcall://agent/web-2";

    let mut serve = |credentials: &Credentials| {
        let listener = site.listener("127.0.0.1:0");
        let address = listener.local_addr().unwrap().to_string();
        site.serve(credentials, listener);
        address
    };
    let of_another = serve(&Minted::good(&theirs, agent).credentials());
    let expired =
        serve(&Minted { from: hours(-50), until: hours(-26), ..Minted::good(&ours, agent) }.credentials());
    let early =
        serve(&Minted { from: hours(26), until: hours(50), ..Minted::good(&ours, agent) }.credentials());
    let everywhere = site.listener("0.0.0.0:0");
    let elsewhere = format!("127.0.0.2:{}", everywhere.local_addr().unwrap().port());
    let credentials = Minted::good(&ours, agent).credentials();
    site.serve(&credentials, everywhere);
    let mallory = Minted::good(&ours, "rollcall://controller/mallory").credentials();
    let (key, certificate) = mallory.into_key_and_certificate();
    let wrong_role = showing(&site, certificate, key);
    let (certificate, key) = nameless(&site);
    let nameless = showing(&site, certificate, key);

    seen.note("agent of another authority", &site, &["info", &of_another]);
    seen.note("agent expired", &site, &["info", &expired]);
    seen.note("agent not yet valid", &site, &["info", &early]);
    seen.note("address not in the certificate", &site, &["info", &elsewhere]);
    seen.note("wrong role", &site, &["info", &wrong_role]);
    seen.note("nameless", &site, &["info", &nameless]);
    let host = Host { label: "web-1".to_owned(), expected: None, endpoints: Vec::new() };
    let revoked = io::Error::other(rustls::Error::from(CertificateError::Revoked));
    let own = Minted::good(&ours, "rollcall://controller/alice").credentials();
    seen.note_made("revoked", Failure::handshake(&host, address, own.own(), &revoked));
    let hosts = format!("[hosts.web-9]\naddresses = [\"{at}\"]\n");
    fs::write(site.home().join("hosts.toml"), hosts).unwrap();
    seen.note("another agent than the one meant", &site, &["info", "web-9"]);

    being_believed(seen, &site, &at);
}

fn being_believed(seen: &mut Seen, site: &Site, at: &str) {
    let hours = SignedDuration::from_hours;
    let ours = Authority::load(&site.home().join("authority.pem")).unwrap();
    let theirs = Authority::create(Algorithm::Ed25519).unwrap();
    let (agent, alice) = ("rollcall://agent/web-2", "rollcall://controller/alice");
    for (case, credentials) in [
        ("own certificate of another authority", Minted::good(&theirs, alice).credentials()),
        ("own certificate expired", {
            Minted { from: hours(-50), until: hours(-26), ..Minted::good(&ours, alice) }.credentials()
        }),
        ("own certificate not yet valid", {
            Minted { from: hours(26), until: hours(50), ..Minted::good(&ours, alice) }.credentials()
        }),
    ] {
        let identity = site.home().join("identity.pem");
        believing_in(site, credentials).save(&identity, Existing::Replace).unwrap();
        seen.note(case, site, &["info", at]);
    }
    Minted::good(&ours, agent)
        .credentials()
        .save(&site.home().join("identity.pem"), Existing::Replace)
        .unwrap();
    seen.note("own identity is an agent's", site, &["info", at]);
}

/// A server with a certificate with which our own agent would refuse to start.
fn showing(site: &Site, certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> String {
    let mut config = ServerConfig::builder_with_provider(Arc::new(tls::provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    fake(site, Arc::new(config), b"", Then::Hold)
}

/// A certificate of the fleet's authority that says nothing of its holder.
fn nameless(site: &Site) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let path = site.home().join("authority.pem");
    let authority = Authority::load(&path).unwrap();
    let key = KeyPair::from_pem(&fs::read_to_string(path).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_der(authority.certificate(), key).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["web-1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

fn asking(seen: &mut Seen) {
    let site = Site::new();
    let credentials = site.issue("web-1", "127.0.0.1");
    let config = Arc::new(tls::server_config(&credentials, ALPN).unwrap());
    let deep = format!(r#"{{"id":1,"answer":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let huge = format!(r#"{{"id":1,"answer":{{"cpu":"{}"}}}}"#, "x".repeat(3_000_000));
    let hostile = "\\u001b]0;owned\\u0007\\u202e";
    let refused =
        format!(r#"{{"id":1,"refusal":{{"kind":"newer","message":"{hostile}no","hint":"{hostile}yes"}}}}"#);
    let speechless = r#"{"id":1,"refusal":{"kind":"not_permitted","message":"no","hint":""}}"#;
    let unknown = r#"{"id":1,"refusal":{"kind":"unknown_request","message":"this agent (0.0.1) does not know the request \"info\"","hint":"use a request it knows, or install a newer agent there"}}"#;
    for (case, says, then) in [
        ("garbage after the handshake", &b"\xff\xfe\xfd\xfcgarbage"[..], Then::Hold),
        ("a frame that cannot hold its head", b"\0\0\0\x04\0\0\0\x09", Then::Hold),
        ("a frame larger than the limit", b"\x7f\xff\xff\xff", Then::Hold),
        ("half a frame and then silence", b"\0\0\0\x20\0\0\0\x10{\"id\"", Then::Hold),
        ("half a frame and then the end", b"\0\0\0\x20\0\0\0\x10{\"id\"", Then::Close),
        ("half a frame and then a cut", b"\0\0\0\x20\0\0\0\x10{\"id\"", Then::Cut),
        ("no answer", b"", Then::Hold),
        ("ended without an answer", b"", Then::Close),
        ("cut without an answer", b"", Then::Cut),
        ("not JSON", framed("hello"), Then::Hold),
        ("deep JSON", framed(&deep), Then::Hold),
        ("huge JSON of another type", framed(&huge), Then::Hold),
        ("an answer of another type", framed(r#"{"id":1,"answer":{"cpu":5}}"#), Then::Hold),
        ("an answer to something else", framed(r#"{"id":9,"answer":{}}"#), Then::Hold),
        ("a stream where one answer is due", framed(r#"{"id":1,"item":{}}"#), Then::Hold),
        ("a request that the agent does not know", framed(unknown), Then::Hold),
        ("a refusal that plays tricks on the terminal", framed(&refused), Then::Hold),
        ("a refusal that does not say what to do", framed(speechless), Then::Hold),
    ] {
        let address = fake(&site, Arc::clone(&config), says, then);
        seen.note(case, &site, &["--timeout", "300ms", "info", &address]);
    }
    let address = fake(&site, Arc::clone(&config), framed(r#"{"id":1,"answer":{}}"#), Then::Hold);
    seen.note("a changed echo", &site, &["echo", &address, "hello"]);
    let item = framed(r#"{"id":1,"item":{"at":"2026-01-01T00:00:00Z"}}"#);
    let short = [item, framed(r#"{"id":1,"end":true}"#)].concat().leak();
    let address = fake(&site, Arc::clone(&config), short, Then::Hold);
    seen.note("a stream that ends too soon", &site, &["watch", &address, "--count", "2"]);
    let (serves, _) = Site::with_agent();
    seen.note("waited for in vain", &serves, &["wait", "web-1", "--for", "uptime<1us", "--timeout", "1s"]);
    let sleeps = "[allow]\nalice = [\"run:sleeps\"]\n[command.sleeps]\nexec = [\"/bin/sleep\", \"9\"]\n";
    let workshop = Workshop::declaring(sleeps);
    seen.note(
        "a command that takes too long",
        &workshop.site,
        &["run", "web-1", "sleeps", "--timeout", "1s"],
    );
    let address = fake(&site, config, framed(r#"{"id":1,"answer":{"number":5}}"#), Then::Hold);
    seen.note("a revocation list that is none", &site, &["sync", &address]);
}
