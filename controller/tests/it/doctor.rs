//! What `doctor` says of a machine that is well, and of everything that can be in the way.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use agent::config::{Limits, Policy};
use agent::permissions::{Permissions, Rule};
use certs::store::Existing;
use certs::{Algorithm, Authority, tls};
use protocol::ALPN;
use serde_json::Value;

use crate::failures::full_backlog;
use crate::impostors::{Minted, Then, believing_in, fake, raw};
use crate::site::{MASKS, Site, controller, text};

/// The pages as they are for eyes.
struct Pages(String);

impl Pages {
    fn note(&mut self, case: &str, site: &Site, host: &str) {
        let output = controller(&site.home(), &["doctor", host]).env("LC_ALL", "C").output().unwrap();
        assert_eq!(text(&output.stderr), "", "{case}");
        let (page, code) = (text(&output.stdout), output.status.code().unwrap());
        let page = page.replace(site.folder.path().to_str().unwrap(), "[folder]");
        self.0 += &format!("{case}: exit {code}\n{page}\n");
    }
}

fn write_hosts(site: &Site, hosts: &[(&str, &[&str])]) {
    let entry = |(name, addresses): &(&str, &[&str])| format!("[hosts.{name}]\naddresses = {addresses:?}\n");
    fs::write(site.home().join("hosts.toml"), hosts.iter().map(entry).collect::<String>()).unwrap();
}

fn denying(what: &[&str]) -> Site {
    let what = what.iter().map(|what| what.parse().unwrap()).collect();
    let deny = vec![Rule { who: "*".parse().unwrap(), what }];
    let permissions = Permissions { deny, ..Permissions::default() };
    Site::with_policy(Policy { permissions, ..Policy::default() }).0
}

#[test]
fn every_step_is_told_until_one_makes_going_on_impossible() {
    let mut pages = Pages(String::new());
    let (site, address) = Site::with_agent();
    let address = address.to_string();
    pages.note("all is well", &site, "web-1");

    let (dead, ssh) = (site.nowhere(), raw(&site, b"SSH-2.0-OpenSSH_9.2p1\r\n", true));
    write_hosts(
        &site,
        &[
            ("web-1", &[&dead, "nowhere.invalid", &address, &ssh]),
            ("web-2", &[&address, &dead]),
            ("web-3", &[&dead, &dead]),
            ("web-4", &["nowhere.invalid"]),
        ],
    );
    pages.note("one way of four", &site, "web-1");
    pages.note("another agent than the one meant", &site, "web-2");
    pages.note("no way", &site, "web-3");
    pages.note("no address", &site, "web-4");
    pages.note("another service", &site, &ssh);

    let identity = site.home().join("identity.pem");
    let theirs = Authority::create(Algorithm::Ed25519).unwrap();
    let foreign = Minted::good(&theirs, "rollcall://controller/alice").credentials();
    believing_in(&site, foreign).save(&identity, Existing::Replace).unwrap();
    pages.note("the agent does not believe this identity", &site, &address);
    let ours = Authority::load(&site.home().join("authority.pem")).unwrap();
    let agent = Minted::good(&ours, "rollcall://agent/web-1").credentials();
    agent.save(&identity, Existing::Replace).unwrap();
    pages.note("own identity is an agent's", &site, &address);
    fs::remove_file(site.home().join("authority.pem")).unwrap();
    fs::remove_file(identity).unwrap();
    pages.note("no home", &site, "web-1");

    pages.note("whoami and time are taken away", &denying(&["whoami", "time"]), "web-1");
    pages.note("uptime is taken away", &denying(&["uptime"]), "web-1");
    let site = Site::new();
    let config = Arc::new(tls::server_config(&site.issue("web-1", "127.0.0.1"), ALPN).unwrap());
    pages.note("it hangs up", &site, &fake(&site, config, b"", Then::Close));
    let took =
        [(r" +\d+\.\d ms  ", "  [took]  "), (r"-?\d+\.\d+ ms", "[ms]"), (r"load \d+\.\d\d", "load [load]")];
    insta::with_settings!({ filters => [&MASKS[..], &took].concat() }, { insta::assert_snapshot!(pages.0) });
}

/// While an address does not answer, the agent at another must not give up on who has shaken hands with it.
#[test]
fn an_address_that_does_not_answer_spoils_none_that_does() {
    let limits = Limits { handshake: Duration::from_millis(200), ..Limits::default() };
    let (site, address) = Site::with_policy(Policy { limits, ..Policy::default() });
    let (full, _held) = site.runtime.block_on(full_backlog());
    write_hosts(&site, &[("web-1", &[&address.to_string(), &full.to_string()])]);
    let words = ["doctor", "web-1", "--timeout", "1s"];
    let page = text(&controller(&site.home(), &words).output().unwrap().stdout);
    // The warning is of the other address.
    assert!(page.ends_with("web-1 answers, with 1 warning\n"), "{page}");
}

#[test]
fn of_many_each_says_what_is_wrong() {
    let (site, address) = Site::with_agent();
    let (address, dead) = (address.to_string(), site.nowhere());
    write_hosts(
        &site,
        &[("web-1", &[&dead, &address]), ("web-2", &[&dead]), ("web-3", &["nowhere.invalid"])],
    );
    let mut pages = String::new();
    for (words, code) in [
        (&["web-[1-3]"][..], 1),
        (&["web-[2-3]"], 3),
        (&["web-[2-3]", "--output", "lines", "--jobs", "1"], 3),
        (&["web-1,web-1:1", "--output", "fold", "--jobs", "1"], 1),
    ] {
        let words = [&["doctor"], words].concat();
        let output = controller(&site.home(), &words).env("LC_ALL", "C").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        pages +=
            &format!("$ controller {}\n{}{}\n", words.join(" "), text(&output.stdout), text(&output.stderr));
    }
    insta::with_settings!({ filters => MASKS }, { insta::assert_snapshot!(pages) });
    let whole = site.run(&["doctor", "web-[1-2]", "--output", "json"]);
    let whole: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!(whole["hosts"][1]["answer"]["steps"][4]["kind"], "refused");
}

#[test]
fn programs_read_the_same_as_people() {
    let (site, address) = Site::with_agent();
    let (address, dead) = (address.to_string(), site.nowhere());
    write_hosts(&site, &[("web-1", &[&dead, &address]), ("web-2", &[&dead])]);
    let steps = |host: &str| {
        let output = site.run(&["doctor", host, "--output", "jsonl"]);
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(line["schema"], "rollcall.doctor/1");
        (line["answer"]["steps"].as_array().unwrap().clone(), output.status.code())
    };
    let (all, code) = steps("web-1");
    assert_eq!(code, Some(0));
    let told: Vec<String> = all.iter().map(|step| format!("{} {}", step["name"], step["outcome"])).collect();
    assert!(told.contains(&"\"connect\" \"warning\"".to_owned()), "{told:?}");
    assert!(all.iter().all(|step| step["took_seconds"].is_number()), "{all:?}");

    let (all, code) = steps("web-2");
    assert_eq!(code, Some(3));
    let failed = all.iter().find(|step| step["outcome"] == "failed").unwrap();
    assert_eq!((&failed["name"], &failed["kind"]), (&"connect".into(), &"refused".into()));
    assert!(failed["why"].is_string() && failed["hint"].is_string());
    assert_eq!(all.last().unwrap(), &serde_json::json!({"name": "request", "outcome": "not_tried"}));
}

#[test]
fn ticks_are_for_terminals_that_can_show_them() {
    let (site, _) = Site::with_agent();
    let page = |variables: &[(&str, &str)]| {
        let mut command = controller(&site.home(), &["doctor", "web-1"]);
        command.env_remove("LC_ALL").env_remove("LC_CTYPE").env_remove("LANG");
        text(&command.envs(variables.iter().copied()).output().unwrap().stdout)
    };
    assert!(page(&[("LANG", "en_US.UTF-8")]).starts_with("✓ home "));
    for plain in [&[][..], &[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]] {
        assert!(page(plain).is_ascii() && page(plain).starts_with("ok   home "), "{}", page(plain));
    }
}
