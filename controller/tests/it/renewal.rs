//! New certificates for agents that serve: nobody notices, whatever happens meanwhile.

use std::fs;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use certs::Credentials;
use controller::approach::Approach;
use controller::home::Home;
use controller::hosts::Host;
use controller::trace::Trace;
use jiff::{SignedDuration, Timestamp};
use protocol::requests::uptime::Uptime;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::foundling::{Foundling, WRITES, can_be_killed_at_writes};
use crate::site::{Site, not_run, text};

/// A home, and an agent `web-1` in a process of its own that belongs to it.
fn adopted() -> (Site, Foundling) {
    let (site, mut found) = (Site::new(), Foundling::new());
    found.adopted_by(&site);
    (site, found)
}

/// Asks on one connection after the other, `many` times on each, until it is `over`; returns how often.
fn asker(site: &Site, over: &Arc<AtomicBool>, many: usize) -> JoinHandle<usize> {
    let home = Home::locate(Some(&site.home()));
    let host = Host::resolve("web-1", &home.inventory().unwrap()).unwrap();
    let credentials = home.credentials().unwrap();
    let over = Arc::clone(over);
    site.runtime.spawn(async move {
        let mut answers = 0;
        while !over.load(Ordering::Relaxed) {
            let limit = std::time::Duration::from_secs(10);
            let client = Approach::new(&host, &credentials, limit, Trace::new(false)).unwrap().walk().await;
            let mut client = client.unwrap_or_else(|trouble| panic!("{}", trouble.text()));
            for _ in 0..many {
                client.ask(Uptime {}).await.unwrap_or_else(|failure| panic!("{failure:?}"));
                answers += 1;
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        answers
    })
}

#[test]
fn no_request_fails_while_one_short_certificate_follows_the_other() {
    const LIFE: SignedDuration = SignedDuration::from_secs(5);
    let (site, found) = adopted();
    let over = Arc::new(AtomicBool::new(false));
    // One stays on the connection that began with the first certificate, which holds for long.
    let steady = asker(&site, &over, usize::MAX);
    let renew = || site.good(&["renew", "web-1", "--for", "5s"]);
    renew();
    let askers: Vec<_> = (0..4).map(|_| asker(&site, &over, 3)).collect();
    let first_ends = Timestamp::now() + LIFE;
    let mut renewals = 0;
    // Until nobody would believe the first one any more.
    while Timestamp::now() < first_ends + SignedDuration::from_secs(1) {
        renew();
        kill_process(Pid::from_child(&found.child), Signal::HUP).unwrap();
        renewals += 1;
    }
    over.store(true, Ordering::Relaxed);
    let answers: usize = askers.into_iter().map(|asker| site.runtime.block_on(asker).unwrap()).sum();
    assert!(site.runtime.block_on(steady).unwrap() > 10);
    assert!(renewals > 5 && answers > 50, "{renewals} renewals, {answers} answers");
}

#[test]
fn many_are_renewed_by_name_by_address_or_because_they_end() {
    let (site, found) = adopted();
    site.good(&["issue", "gone", "--address", "127.0.0.1:1", "--out", site.path("gone").to_str().unwrap()]);
    let one = site.good(&["renew", &found.address, "--for", "20d"]);
    assert!(one.starts_with(&format!("web-1 at {} is renewed, until ", found.address)), "{one}");

    let output = site.run(&["renew", "--expiring", "30d", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["schema"], report["hosts"].as_array().unwrap().len()),
        (&"rollcall.renew/1".into(), 1)
    );
    let answer = &report["hosts"][0]["answer"];
    let own = found.identity().unwrap().own().clone();
    assert_eq!((&answer["name"], &answer["serial"]), (&"web-1".into(), &own.serial.to_string().into()));
    assert_eq!(answer["certificate_ends"], own.not_after.to_string());
    let listed = site.good(&["certs", "--output", "jsonl"]);
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let newest = listed.iter().find(|line| line["serial"] == answer["serial"]).unwrap();
    assert_eq!((&newest["how"], &newest["state"]), (&"renew".into(), &"current".into()));
    assert_eq!(newest["addresses"], serde_json::json!(["127.0.0.1"]));

    let nothing = site.run(&["renew", "--expiring", "30d"]);
    assert_eq!((nothing.status.code(), text(&nothing.stdout)), (Some(0), String::new()));
    let all = site.run(&["renew", "--all"]);
    assert_eq!(all.status.code(), Some(1));
    assert!(text(&all.stdout).starts_with("web-1 at "), "{}", text(&all.stdout));
    let said = text(&all.stderr);
    assert!(
        said.starts_with("controller: gone: connect: ") && said.ends_with("1 renewed, 1 refused (gone)\n"),
        "{said}"
    );
    site.good(&["uptime", "web-1"]);
}

#[test]
fn one_that_has_ended_is_left_out_with_a_word() {
    let site = Site::new();
    let out = site.path("x");
    site.good(&["issue", "web-1", "--address", "127.0.0.1:1", "--out", out.to_str().unwrap()]);
    let list = site.home().join("certificates.jsonl");
    let ends = Credentials::load(&out).unwrap().own().not_after.to_string();
    let text_of_list = fs::read_to_string(&list).unwrap();
    fs::write(&list, text_of_list.replace(&ends, "2026-01-01T00:00:00Z")).unwrap();
    let output = site.run(&["renew", "--all"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).starts_with("web-1 is left out: its certificate has ended"), "{output:?}");
}

#[test]
fn where_the_file_cannot_be_written_nothing_is_signed() {
    let (site, found) = adopted();
    let state = Rc::clone(&found.state);
    let before = found.identity().unwrap().own().serial.clone();
    drop(found);
    let folder = state.path().display();
    let read_only =
        format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && exec \"$0\" \"$@\"");
    let wrap = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &read_only];
    let Some(found) = Foundling::at(&state, &wrap) else {
        return not_run("no agent was started on a read-only file system: unshare is not permitted here");
    };
    let output = site.run(&["renew", &found.address]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("identity.bundle: Read-only file system"), "{said}");
    assert!(said.contains("  try: renew it where that file comes from"), "{said}");
    assert_eq!(found.identity().unwrap().own().serial, before);
    assert!(!site.good(&["certs"]).contains("renew"));
    site.good(&["uptime", &found.address]);
}

/// Kills the agent at each of its writes, one after the other, until a renewal gets through.
#[test]
fn a_crash_at_any_write_leaves_the_old_identity_or_the_new_one() {
    if !can_be_killed_at_writes() {
        return;
    }
    let (site, found) = adopted();
    let state = Rc::clone(&found.state);
    let serial = |found: &Foundling| found.identity().unwrap().own().serial.clone();
    let mut present = serial(&found);
    drop(found);
    let (mut before, mut after) = (0, 0);
    for call in WRITES {
        for count in 1.. {
            assert!(count < 50, "no renewal ever got through");
            let found = Foundling::killed_at(&state, call, count);
            let renew = |found: &Foundling| site.run(&["--timeout", "5s", "renew", &found.address]);
            let believed = found.as_ref().is_some_and(|found| renew(found).status.success());
            drop(found);

            let again = Foundling::at(&state, &[]).expect("it starts again");
            site.good(&["uptime", &again.address]);
            let is_new = serial(&again) != present;
            present = serial(&again);
            assert!(is_new || !believed, "{call} {count}: the desk believes in a renewal that is not there");
            if believed {
                break;
            }
            if is_new { after += 1 } else { before += 1 }
        }
    }
    assert!(before > 3 && after > 1, "killed too early or too late: {before}, {after}");
}
