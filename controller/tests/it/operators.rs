//! More people who may ask: from their own desks, with keys of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use certs::{Algorithm, Authority, Grant, Identity, Pending, Validity};
use jiff::{SignedDuration, Timestamp};

use crate::site::{Site, controller, not_run, text};

/// Bob's desk: a home of his own, beside Alice's, who keeps the authority.
struct Bob<'a> {
    site: &'a Site,
    home: PathBuf,
}

impl Bob<'_> {
    fn beside(site: &Site) -> Bob<'_> {
        Bob { site, home: site.path("bob") }
    }

    fn run(&self, words: &[&str]) -> Output {
        controller(&self.home, words).current_dir(self.site.folder.path()).output().unwrap()
    }

    fn good(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

/// Runs at Alice's desk, in the folder where files change hands.
fn alice(site: &Site, words: &[&str]) -> String {
    let output = controller(&site.home(), words).current_dir(site.folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn line<'a>(shown: &'a str, label: &str) -> &'a str {
    shown.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("no {label} in {shown}"))
}

#[test]
fn a_key_that_never_travels_asks_under_its_own_name_and_teams() {
    let (site, address) = Site::with_agent();
    let bob = Bob::beside(&site);
    let requested = bob.good(&["operator", "request", "--name", "bob"]);
    let signed =
        alice(&site, &["operator", "sign", "bob.request", "--team", "ops", "--team", "db", "--team", "ops"]);
    let accepted = bob.good(&["operator", "accept", "bob.certificate"]);
    assert_eq!(line(&requested, "key"), line(&signed, "key"));
    assert_eq!(line(&signed, "authority"), line(&accepted, "authority"));
    assert_eq!(line(&signed, "key").split_whitespace().skip(1).map(str::len).collect::<Vec<_>>(), [4; 16]);
    assert!(!bob.home.join("pending.pem").exists());
    for file in ["bob.request", "bob.certificate"] {
        assert!(!fs::read_to_string(site.path(file)).unwrap().contains("PRIVATE"), "{file}");
    }
    let you = bob.good(&["whoami", &address.to_string()]);
    assert!(you.starts_with("you are      rollcall://controller/bob\nteams        db, ops\n"), "{you}");
    let listed = site.good(&["certs"]);
    assert!(
        listed.contains(" bob    controller  db, ops ") && listed.contains(" operator  current"),
        "{listed}"
    );
}

#[test]
fn a_name_that_somebody_has_already_is_said() {
    let site = Site::new();
    let bob = Bob::beside(&site);
    bob.good(&["operator", "request", "--name", "alice"]);
    for words in [&["operator", "sign", "alice.request"][..], &["operator", "add", "alice"]] {
        let output = controller(&site.home(), words).current_dir(site.folder.path()).output().unwrap();
        let said = text(&output.stderr);
        assert!(said.starts_with("Note: alice already has a certificate, good until "), "{said}");
    }
}

#[test]
fn a_whole_identity_can_be_carried_in_one_file() {
    let (site, address) = Site::with_agent();
    let bob = Bob::beside(&site);
    alice(&site, &["operator", "add", "bob", "--team", "ops", "--for", "7d", "--key", "p256"]);
    bob.good(&["operator", "accept", "bob.bundle"]);
    let you = bob.good(&["whoami", &address.to_string()]);
    assert!(you.starts_with("you are      rollcall://controller/bob\nteams        ops\n"), "{you}");
}

#[test]
fn the_fingerprint_is_what_other_programs_make_of_the_key() {
    let site = Site::new();
    let shown = Bob::beside(&site).good(&["operator", "request", "--name", "bob"]);
    let script = "openssl req -in bob.request -verify -noout -pubkey 2>/dev/null \
                  | openssl pkey -pubin -outform der | openssl dgst -sha256 -r";
    let output = Command::new("sh").args(["-c", script]).current_dir(site.folder.path()).output().unwrap();
    if Command::new("openssl").arg("version").output().is_err() {
        return not_run("the fingerprint of a request: there is no openssl on this machine");
    }
    let ours: String = line(&shown, "key").split_whitespace().skip(1).collect();
    assert_eq!(text(&output.stdout).split_whitespace().next().unwrap(), ours);
}

/// What people read of all that is wrong.
struct Refused<'a> {
    bob: &'a Bob<'a>,
    seen: String,
}

impl Refused<'_> {
    fn note(&mut self, case: &str, home: &Path, words: &[&str]) {
        let folder = self.bob.site.folder.path();
        let output = controller(home, words).current_dir(folder).output().unwrap();
        let said = text(&output.stderr).replace(folder.to_str().unwrap(), "[folder]");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{case}: {said}");
        assert!(said.lines().count() <= 3, "{case}: {said}");
        self.seen += &format!("{case}:\n{said}\n");
    }
}

/// A certificate for the key that waits at Bob's desk, of anybody and any time, by the authority or by another.
fn certificate(authority: &Authority, bob: &Bob<'_>, identity: &str, ends_in_hours: i64) {
    let pending = Pending::load(&bob.home.join("pending.pem")).unwrap();
    let now = Timestamp::now();
    let hours = SignedDuration::from_hours;
    let validity = Validity { not_before: now - hours(48), not_after: now + hours(ends_in_hours) };
    let identity: Identity = identity.parse().unwrap();
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity };
    let signed = authority.sign(pending.request().der(), &grant).unwrap();
    let file = bob.site.path("bob.certificate");
    let _ = fs::remove_file(&file);
    signed.save(&file).unwrap();
}

#[test]
fn every_wrong_file_is_refused_in_one_sentence() {
    let site = Site::new();
    let bob = Bob::beside(&site);
    let mut refused = Refused { bob: &bob, seen: String::new() };
    signing(&site, &bob, &mut refused);
    accepting(&site, &bob, &mut refused);
    insta::with_settings!({ filters => vec![
        (r"([0-9a-f]{4} ){15}[0-9a-f]{4}", "[key]"),
        (r"\d{4}-\d\d-\d\dT[0-9:]+Z", "[time]"),
    ] }, { insta::assert_snapshot!(refused.seen) });
}

fn signing(site: &Site, bob: &Bob<'_>, refused: &mut Refused<'_>) {
    let (here, there) = (site.home(), bob.home.clone());
    bob.good(&["operator", "request", "--name", "bob"]);
    refused.note("no such request", &here, &["operator", "sign", "nobody.request"]);
    refused.note("another name", &here, &["operator", "sign", "bob.request", "--name", "carol"]);
    refused.note("a key and no request", &here, &["operator", "sign", "bob/pending.pem"]);
    fs::write(site.path("large.request"), vec![b'#'; 1 << 20]).unwrap();
    refused.note("a request of 1 MiB", &here, &["operator", "sign", "large.request"]);
    fs::write(site.path("text.request"), "please").unwrap();
    refused.note("not a request at all", &here, &["operator", "sign", "text.request"]);
    let request = fs::read_to_string(site.path("bob.request")).unwrap();
    let broken = request.replacen("\nMI", "\nMA", 1);
    fs::write(site.path("broken.request"), broken).unwrap();
    refused.note("a damaged request", &here, &["operator", "sign", "broken.request"]);
    fs::write(site.path("bob.certificate"), "mine").unwrap();
    refused.note("the answer is there already", &here, &["operator", "sign", "bob.request"]);
    fs::remove_file(site.path("bob.certificate")).unwrap();
    refused.note("no authority at this desk", &there, &["operator", "add", "carol"]);
    fs::rename(site.path("bob.request"), site.path("sent.request")).unwrap();
    refused.note("a request twice", &there, &["operator", "request", "--name", "bob"]);
    refused.note("a request over another", &here, &["operator", "request", "--name", "bob"]);
}

fn accepting(site: &Site, bob: &Bob<'_>, refused: &mut Refused<'_>) {
    let there = bob.home.clone();
    let ours = Authority::load(&site.home().join("authority.pem")).unwrap();
    let accept = ["operator", "accept", "bob.certificate"];
    refused.note("the request itself", &there, &["operator", "accept", "sent.request"]);
    refused.note("something else", &there, &["operator", "accept", "text.request"]);
    refused.note("where no key waits", &site.path("elsewhere"), &["operator", "accept", "sent.request"]);
    certificate(&ours, bob, "rollcall://controller/bob", 1);
    refused.note("a certificate where no key waits", &site.path("elsewhere"), &accept);
    certificate(&ours, bob, "rollcall://agent/bob", 1);
    refused.note("an agent's certificate", &there, &accept);
    certificate(&ours, bob, "rollcall://controller/carol", 1);
    refused.note("another name", &there, &accept);
    certificate(&ours, bob, "rollcall://controller/bob", -1);
    refused.note("ended", &there, &accept);
    believing_another(site, bob);
    refused.note("not signed by the authority beside it", &there, &accept);

    alice(site, &["operator", "add", "bob"]);
    refused.note("a bundle while a key waits", &there, &["operator", "accept", "bob.bundle"]);
    let pending = there.join("pending.pem");
    fs::rename(&pending, site.path("kept")).unwrap();
    site.issue("web-1", "192.0.2.7");
    refused.note("an agent's bundle", &there, &["operator", "accept", "web-1.bundle"]);
    let other = Pending::create(Algorithm::Ed25519, Some(&"bob".parse().unwrap())).unwrap();
    other.save(&pending).unwrap();
    fs::remove_file(site.path("bob.certificate")).unwrap();
    alice(site, &["operator", "sign", "sent.request"]);
    refused.note("a certificate for another key", &there, &accept);
    fs::rename(site.path("kept"), &pending).unwrap();
    bob.good(&accept);
    refused.note("a certificate twice", &there, &accept);
    refused.note("a bundle for who is somebody", &there, &["operator", "accept", "bob.bundle"]);
    refused.note("an authority for who is somebody", &there, &["init"]);
    refused.note("issue without the authority", &there, &["issue", "web-9"]);
    refused.note("certs without the authority", &there, &["certs"]);
}

/// The right certificate beside a wrong authority.
fn believing_another(site: &Site, bob: &Bob<'_>) {
    let ours = Authority::load(&site.home().join("authority.pem")).unwrap();
    certificate(&ours, bob, "rollcall://controller/bob", 1);
    let file = site.path("bob.certificate");
    let certs::store::Handed::Certificate(mut signed) = certs::store::Handed::load(&file).unwrap() else {
        panic!("a certificate has become a bundle")
    };
    signed.authorities = vec![Authority::create(Algorithm::Ed25519).unwrap().certificate().clone()];
    fs::remove_file(&file).unwrap();
    signed.save(&file).unwrap();
}
