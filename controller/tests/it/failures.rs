//! Every way in which a host fails: at which stage, in which words, with which exit code. The words are in one snapshot,
//! to be read in one go as somebody would who is tired.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certs::store::Existing;
use certs::{Algorithm, Authority, Credentials, tls};
use jiff::SignedDuration;
use protocol::ALPN;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::rustls::{ServerConfig, version};

use crate::impostors::{Minted, Then, believing_in, fake, framed, raw};
use crate::site::{MASKS, Site, text};

/// What people and scripts get to see of one failure.
struct Seen(String);

impl Seen {
    /// Runs a verb that must fail, and writes down how.
    fn note(&mut self, case: &str, site: &Site, words: &[&str]) {
        let output = site.run(words);
        let code = output.status.code().unwrap();
        let said = text(&output.stderr);
        assert!(said.lines().count() <= 3, "{case}: more than three lines: {said}");
        assert!(output.stdout.is_empty(), "{case}: {}", text(&output.stdout));
        let said = said.replace(site.folder.path().to_str().unwrap(), "[folder]");
        self.0 += &format!("{case}: exit {code}\n{said}\n");
    }
}

#[test]
fn in_which_words_and_with_which_code() {
    let mut seen = Seen(String::new());
    reaching(&mut seen);
    speaking(&mut seen);
    believing(&mut seen);
    asking(&mut seen);
    insta::with_settings!({ filters => MASKS.to_vec() }, { insta::assert_snapshot!(seen.0) });
}

fn reaching(seen: &mut Seen) {
    let site = Site::new();
    seen.note("name not found", &site, &["info", "nowhere.invalid"]);
    let gone = site.listener("127.0.0.1:0").local_addr().unwrap().to_string();
    seen.note("refused", &site, &["info", &gone]);

    let (full, _held) = site.runtime.block_on(full_backlog());
    seen.note("connect timed out", &site, &["--timeout", "300ms", "info", &full.to_string()]);
}

/// A listener that takes no connection and has no room to let one wait.
async fn full_backlog() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
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
    let wrong_role = wrong_role(&site, &Minted::good(&ours, "rollcall://controller/mallory").credentials());

    seen.note("agent of another authority", &site, &["info", &of_another]);
    seen.note("agent expired", &site, &["info", &expired]);
    seen.note("agent not yet valid", &site, &["info", &early]);
    seen.note("address not in the certificate", &site, &["info", &elsewhere]);
    seen.note("wrong role", &site, &["info", &wrong_role]);
    let hosts = format!("[hosts.web-9]\naddresses = [\"{at}\"]\n");
    fs::write(site.home().join("hosts.toml"), hosts).unwrap();
    seen.note("another agent than the one meant", &site, &["info", "web-9"]);

    let alice = "rollcall://controller/alice";
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
        believing_in(&site, credentials).save(&identity, Existing::Replace).unwrap();
        seen.note(case, &site, &["info", &at]);
    }
    Minted::good(&ours, agent)
        .credentials()
        .save(&site.home().join("identity.pem"), Existing::Replace)
        .unwrap();
    seen.note("own identity is an agent's", &site, &["info", &at]);
}

/// A server with a controller's certificate, which our own agent would refuse to be.
fn wrong_role(site: &Site, credentials: &Credentials) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    credentials.save(&path, Existing::Keep).unwrap();
    let (key, certificate) = Credentials::load(&path).unwrap().into_key_and_certificate();
    let mut config = ServerConfig::builder_with_provider(Arc::new(tls::provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    fake(site, Arc::new(config), b"", Then::Hold)
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
    ] {
        let address = fake(&site, Arc::clone(&config), says, then);
        seen.note(case, &site, &["--timeout", "300ms", "info", &address]);
    }
    let address = fake(&site, config, framed(r#"{"id":1,"answer":{}}"#), Then::Hold);
    seen.note("a changed echo", &site, &["echo", &address, "hello"]);
}
