//! Another authority in the place of the first: machines that are away, operators, passphrases, cuts, and who is left behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use certs::store::Existing;
use certs::{Algorithm, Authority, Credentials, Stage};
use controller::approach::Approach;
use controller::home::Home;
use controller::hosts::Host;
use controller::trace::Trace;
use protocol::requests::uptime::Uptime;

use crate::foundling::{Foundling, WRITES, can_be_killed_at_writes};
use crate::site::{MASKS, Site, controller, only_for_their_owner, text};

const ROTATE: [&str; 2] = ["authority", "rotate"];
const FINISH: [&str; 3] = ["authority", "rotate", "--finish"];

/// A home, and this many agents in processes of their own that belong to it.
fn fleet(count: usize) -> (Site, Vec<Foundling>) {
    let site = Site::new();
    let agents = (1..=count).map(|number| {
        let mut found = Foundling::new();
        let code = found.code();
        let name = format!("web-{number}");
        let adopted = site.run_with_input(&["adopt", &found.address, "--name", &name], code.as_bytes());
        assert_eq!(adopted.status.code(), Some(0), "{}", text(&adopted.stderr));
        found
    });
    let agents = agents.collect();
    (site, agents)
}

/// How many authorities each program believes.
fn believed(found: &Foundling) -> usize {
    found.identity().unwrap().authorities().len()
}

/// What it says on standard error, and with which code it ends.
fn said(site: &Site, words: &[&str]) -> (i32, String) {
    let output = site.run(words);
    (output.status.code().unwrap(), text(&output.stderr))
}

/// An operator with a home of his own who knows where the machines are.
fn operator(site: &Site, name: &str) -> String {
    let home = site.path(name).to_str().unwrap().to_owned();
    let bundle = format!("{home}.bundle");
    site.good(&["operator", "add", name, "--out", &bundle]);
    site.good(&["--home", &home, "operator", "accept", &bundle]);
    fs::copy(site.home().join("hosts.toml"), site.path(name).join("hosts.toml")).unwrap();
    home
}

#[test]
fn a_fleet_changes_over_host_by_host_while_everybody_asks() {
    let (site, mut agents) = fleet(3);
    let bob = operator(&site, "bob");
    let over = Arc::new(AtomicBool::new(false));
    let asking = asker(&site, "web-1", &over);

    // One is away, and the desk may go on when it is back.
    let (state, address) = (Rc::clone(&agents[2].state), agents[2].address.clone());
    drop(agents.pop());
    let (code, words) = said(&site, &ROTATE);
    assert!(code == 1 && words.contains("2 changed over, 1 refused (web-3)"), "{words}");
    assert!(words.contains("Still with the old one: machines web-3; operators bob."), "{words}");
    assert_eq!(agents.iter().map(believed).collect::<Vec<_>>(), [2, 2]);
    // Whoever has only heard of the old authority is believed, and believes.
    for machine in ["web-1", "web-2"] {
        site.good(&["--home", &bob, "uptime", machine]);
    }
    agents.push(Foundling::listening(&state, &address).unwrap());
    assert_eq!(believed(&agents[2]), 1);
    site.good(&["uptime", "web-3"]);
    let (code, words) = said(&site, &FINISH);
    assert_eq!(code, 2);
    assert!(words.contains("the old authority is still needed by machines web-3; operators bob"), "{words}");
    assert!(said(&site, &["certs"]).1.contains("go on with: controller authority rotate"));

    // Lists travel to all of them meanwhile.
    site.good(&["operator", "add", "gone", "--out", site.path("gone").to_str().unwrap()]);
    site.good(&["revoke", "gone"]);
    site.good(&["sync", "--all"]);
    let (code, words) = said(&site, &ROTATE);
    assert!(code == 0 && words.contains("1 changed over\n"), "{words}");
    assert!(words.contains("Still with the old one: operators bob."), "{words}");
    let carol = operator(&site, "carol");

    let (code, words) = said(&site, &[&FINISH[..], &["--without", "bob", "--without", "web-1"]].concat());
    assert!(code == 2 && words.contains("web-1 does not need the old authority"), "{words}");
    let (code, words) = said(&site, &[&FINISH[..], &["--without", "bob"]].concat());
    assert_eq!(code, 0, "{words}");
    assert!(words.contains("3 have forgotten the old authority\n"), "{words}");
    assert_eq!(agents.iter().map(believed).collect::<Vec<_>>(), [1, 1, 1]);
    assert!(!site.home().join("rotation.jsonl").exists());
    let own = Credentials::load(&site.home().join("identity.pem")).unwrap();
    let authority = Authority::load(&site.home().join("authority.pem")).unwrap();
    assert_eq!((authority.stage(), own.authorities()), (Stage::Settled, &authority.believed()[..]));
    for machine in ["web-1", "web-2", "web-3"] {
        site.good(&["uptime", machine]);
        site.good(&["--home", &carol, "uptime", machine]);
        assert_eq!(said(&site, &["--home", &bob, "uptime", machine]).0, 3);
    }
    over.store(true, Ordering::Relaxed);
    assert!(site.runtime.block_on(asking).unwrap() > 10);

    let again = started_again(agents.swap_remove(0));
    site.good(&["uptime", "web-1"]);
    assert_eq!(said(&site, &["--home", &bob, "uptime", "web-1"]).0, 3);
    let log = fs::read_to_string(again.state.path().join("audit/current.jsonl")).unwrap();
    assert_eq!(log.matches("\"why\":\"believes these authorities from now on: ").count(), 2, "{log}");
}

/// What is on the disk is what is in force.
fn started_again(found: Foundling) -> Foundling {
    let (state, address) = (Rc::clone(&found.state), found.address.clone());
    drop(found);
    Foundling::listening(&state, &address).unwrap()
}

/// Asks on one connection after the other until it is `over`.
fn asker(site: &Site, machine: &str, over: &Arc<AtomicBool>) -> tokio::task::JoinHandle<usize> {
    let home = Home::locate(Some(&site.home()));
    let host = Host::resolve(machine, &home.inventory().unwrap()).unwrap();
    let over = Arc::clone(over);
    site.runtime.spawn(async move {
        let mut answers = 0;
        while !over.load(Ordering::Relaxed) {
            let limit = std::time::Duration::from_secs(10);
            let credentials = home.credentials().unwrap();
            let client = Approach::new(&host, &credentials, limit, Trace::new(false)).unwrap().walk().await;
            let mut client = client.unwrap_or_else(|trouble| panic!("{}", trouble.text()));
            client.ask(Uptime {}).await.unwrap_or_else(|failure| panic!("{failure:?}"));
            answers += 1;
        }
        answers
    })
}

#[test]
fn one_that_is_away_when_it_should_forget_is_told_when_it_is_back() {
    let (site, mut agents) = fleet(2);
    assert_eq!(said(&site, &ROTATE).0, 0);
    let (state, address) = (Rc::clone(&agents[1].state), agents[1].address.clone());
    drop(agents.pop());
    let (code, words) = said(&site, &FINISH);
    assert!(code == 1 && words.contains("Only these do, until they are reached: machines web-2."), "{words}");
    let authority = fs::read_to_string(site.home().join("authority.pem")).unwrap();
    assert_eq!(authority.matches("BEGIN PRIVATE KEY").count(), 1, "the old key is gone");
    let (code, words) = said(&site, &ROTATE);
    assert!(code == 2 && words.contains("is being forgotten already"), "{words}");
    agents.push(Foundling::listening(&state, &address).unwrap());
    site.good(&["uptime", "web-2"]);
    assert_eq!(said(&site, &FINISH).0, 0);
    assert_eq!(agents.iter().map(believed).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(said(&site, &FINISH).0, 2, "there is nothing to finish");
    // And all of it once more.
    assert_eq!((said(&site, &ROTATE).0, said(&site, &FINISH).0), (0, 0));
    site.good(&["uptime", "web-2"]);
}

#[test]
fn who_only_heard_of_the_old_authority_is_shown_out_when_it_is_forgotten() {
    let (site, _agents) = fleet(1);
    let dave = operator(&site, "dave");
    let mut watching = controller(&site.path("dave"), &["watch", "web-1", "--interval", "200ms"]);
    let mut watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(watching.stdout.take().unwrap());
    shown.read_line(&mut String::new()).unwrap();
    assert_eq!(said(&site, &ROTATE).0, 0);
    // He has a new certificate, and goes on with the old one.
    site.good(&["operator", "add", "dave", "--out", site.path("new").to_str().unwrap()]);
    assert_eq!(said(&site, &FINISH).0, 0);
    shown.read_to_string(&mut String::new()).unwrap();
    assert_eq!(watching.wait_with_output().unwrap().status.code(), Some(1));
    assert_eq!(said(&site, &["--home", &dave, "uptime", "web-1"]).0, 3);
}

#[test]
fn a_machine_counts_as_long_as_it_believes() {
    let (site, mut agents) = fleet(2);
    drop(agents.pop());
    assert_eq!(said(&site, &ROTATE).0, 1);
    // Its certificate has ended, and another machine is in no list but that of addresses.
    let list = site.home().join("certificates.jsonl");
    let lines: Vec<String> = fs::read_to_string(&list)
        .unwrap()
        .lines()
        .map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            if line["name"] == "web-2" {
                line["not_after"] = "2026-01-01T00:00:00Z".into();
            }
            format!("{line}\n")
        })
        .collect();
    fs::write(&list, lines.concat()).unwrap();
    let hosts = site.home().join("hosts.toml");
    let more = fs::read_to_string(&hosts).unwrap() + "\n[hosts.web-3]\naddresses = [\"127.0.0.1:1\"]\n";
    fs::write(&hosts, more).unwrap();
    let (code, words) = said(&site, &FINISH);
    assert!(code == 2 && words.contains("still needed by machines web-2, web-3\n"), "{words}");
    fs::write(&hosts, fs::read_to_string(&hosts).unwrap().replace("[hosts.web-3]", "[hosts.web-2b]"))
        .unwrap();
    let without = ["--without", "web-2", "--without", "web-2b"];
    let (code, words) = said(&site, &[&FINISH[..], &without].concat());
    assert_eq!(code, 0, "{words}");
    assert_eq!(believed(&agents[0]), 1);
}

#[test]
fn a_home_that_was_restored_forgets_no_revocation_and_does_not_lock_itself_out() {
    let (site, agents) = fleet(1);
    let identity = site.home().join("identity.pem");
    let of_the_old = fs::read(&identity).unwrap();
    site.good(&["operator", "add", "zoe", "--out", site.path("zoe.bundle").to_str().unwrap()]);
    site.good(&["revoke", "zoe"]);
    assert_eq!(said(&site, &ROTATE).0, 0);
    let bob = operator(&site, "bob");
    let saved = fs::read(site.home().join("revoked.pem")).unwrap();
    site.good(&["revoke", "bob"]);
    site.good(&["sync", "--all"]);
    assert_eq!(said(&site, &["--home", &bob, "uptime", "web-1"]).0, 3);
    fs::write(site.home().join("revoked.pem"), saved).unwrap();
    fs::write(&identity, of_the_old).unwrap();
    let (code, words) = said(&site, &FINISH);
    assert_eq!(code, 0, "{words}");
    site.good(&["uptime", "web-1"]);
    assert_eq!(believed(&agents[0]), 1);
    assert_eq!(said(&site, &["--home", &bob, "uptime", "web-1"]).0, 3);
    assert!(site.good(&["certs"]).lines().any(|line| line.contains("bob") && line.contains("revoked")));
}

#[test]
fn of_two_that_came_from_copies_of_one_home_the_last_is_believed() {
    let (site, agents) = fleet(1);
    let copies = ["authority.pem", "identity.pem"].map(|file| site.home().join(file));
    let saved = copies.each_ref().map(|file| fs::read(file).unwrap());
    assert_eq!(said(&site, &ROTATE).0, 0);
    for (file, bytes) in copies.iter().zip(saved) {
        fs::write(file, bytes).unwrap();
    }
    fs::remove_file(site.home().join("rotation.jsonl")).unwrap();
    assert_eq!((said(&site, &ROTATE).0, said(&site, &FINISH).0), (0, 0));
    let believed = Authority::load(&copies[0]).unwrap().believed();
    assert_eq!(agents[0].identity().unwrap().authorities(), believed);
}

#[test]
fn an_authority_that_the_owner_of_a_machine_has_added_stays_and_is_told() {
    let (site, agents) = fleet(1);
    let stranger = Authority::create(Algorithm::Ed25519).unwrap();
    let owned = agents[0].identity().unwrap();
    let both = [owned.authorities(), &[stranger.certificate().clone()]].concat();
    let file = agents[0].state.path().join("identity.bundle");
    owned.believing(both).unwrap().save(&file, Existing::Replace).unwrap();
    let besides = format!("also believes an authority that this desk does not: {}", stranger.fingerprint());
    for words in [&["renew", "web-1"][..], &ROTATE, &FINISH] {
        let shown = site.good(words);
        assert!(shown.contains(&besides), "{words:?}: {shown}");
    }
    assert_eq!(believed(&agents[0]), 2);
    let line: serde_json::Value =
        serde_json::from_str(&site.good(&["renew", "web-1", "--output", "json"])).unwrap();
    let found = &line["hosts"][0]["answer"]["believes_besides"];
    assert_eq!(found, &serde_json::json!([stranger.fingerprint().to_string()]), "{line}");
}

#[test]
fn a_passphrase_stays_on_the_keys_and_nothing_is_signed_without_it() {
    let (site, agents) = fleet(1);
    let with = |words: &[&str]| {
        let output = site.run_with_input(&[words, &["--passphrase-fd", "0"]].concat(), b"correct horse\n");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    };
    let authority = || fs::read_to_string(site.home().join("authority.pem")).unwrap();
    with(&["authority", "protect"]);
    let before = authority();
    assert_eq!(site.run(&ROTATE).status.code(), Some(2));
    assert_eq!(authority(), before);
    with(&ROTATE);
    assert_eq!(authority().matches("BEGIN ENCRYPTED PRIVATE KEY").count(), 2);
    with(&["authority", "unprotect"]);
    only_for_their_owner(&site.home());
    only_for_their_owner(agents[0].state.path());
    assert_eq!(authority().matches("BEGIN PRIVATE KEY").count(), 2);
    with(&["authority", "protect"]);
    with(&FINISH);
    assert_eq!(authority().matches("BEGIN ENCRYPTED PRIVATE KEY").count(), 1);
    assert_eq!(believed(&agents[0]), 1);
}

/// Kills the controller at each of its writes, one after the other, and goes on: nobody is left behind, and nothing is lost.
#[test]
fn a_rotation_that_is_cut_off_anywhere_goes_on() {
    if !can_be_killed_at_writes() {
        return;
    }
    let (site, agents) = fleet(1);
    site.good(&["operator", "add", "gone", "--out", site.path("gone").to_str().unwrap()]);
    site.good(&["revoke", "gone"]);
    let mut cuts = 0;
    for call in WRITES {
        for count in 1.. {
            assert!(count < 60, "no rotation ever got through");
            let inject = format!("inject={call}:signal=SIGKILL:when={count}");
            let killed = |words: &[&str]| {
                let mut command = std::process::Command::new("strace");
                command.args(["-f", "-qq", "-o", "/dev/null", "-e", call, "-e", &inject]);
                command.arg(env!("CARGO_BIN_EXE_controller")).args(words);
                let output = command.env("ROLLCALL_HOME", site.home()).output().unwrap();
                output.status.code().is_none_or(|code| code > 128)
            };
            let first = killed(&ROTATE);
            site.good(&["uptime", "web-1"]);
            let words = said(&site, &ROTATE);
            assert_eq!(words.0, 0, "{call} {count}: {}", words.1);
            let second = killed(&FINISH);
            site.good(&["uptime", "web-1"]);
            assert!(site.good(&["certs"]).contains("revoked"), "{call} {count}");
            let words = said(&site, &FINISH);
            let is_over = words.1.contains("no authority is taking the place of another");
            assert!(words.0 == 0 || is_over, "{call} {count}: {}", words.1);
            assert_eq!(believed(&agents[0]), 1, "{call} {count}");
            if !first && !second {
                break;
            }
            cuts += 1;
        }
    }
    assert!(cuts > 20, "{cuts}");
}

#[test]
fn what_is_asked_at_the_wrong_time_is_refused_in_one_sentence() {
    let (site, mut agents) = fleet(1);
    let mut told = String::new();
    let mut tell = |words: &[&str]| {
        let (code, said) = said(&site, words);
        told += &format!("$ controller {}\n{said}[{code}]\n\n", words.join(" "));
    };
    tell(&FINISH);
    tell(&["authority", "rotate", "--without", "web-1"]);
    tell(&["--home", "/nonexistent", "authority", "rotate"]);
    drop(agents.pop());
    tell(&ROTATE);
    tell(&FINISH);
    tell(&[&FINISH[..], &["--without", "nobody"]].concat());
    fs::write(site.home().join("hosts.toml"), "").unwrap();
    tell(&ROTATE);
    tell(&[&FINISH[..], &["--without", "web-1"]].concat());
    tell(&FINISH);
    let mut settings = insta::Settings::clone_current();
    MASKS.iter().for_each(|(pattern, mask)| settings.add_filter(pattern, *mask));
    settings.add_filter(r"([0-9a-f]{4} ){15}[0-9a-f]{4}", "[fingerprint]");
    settings.add_filter(&regex_of(&site), "[home]");
    settings.bind(|| insta::assert_snapshot!(told));
}

fn regex_of(site: &Site) -> String {
    site.home().to_str().unwrap().replace('.', r"\.")
}
