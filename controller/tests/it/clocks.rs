//! Clocks that differ, told as such: the built controller under a wrong clock, and an agent under the right one.

use std::fs;
use std::process::{Command, Output};

use certs::Authority;
use certs::store::Existing;
use jiff::SignedDuration;

use crate::impostors::Minted;
use crate::site::{MASKS, Site, not_run, text};

/// From when until when a certificate holds, in hours from now.
type Dates = (i64, i64);

const FOR_LONG: Dates = (-2400, 2400);

/// A home whose certificates hold as said, and its agent `web-1`.
fn site(own: Dates, agent: Dates) -> Site {
    let mut site = Site::new();
    let authority = Authority::load(&site.home().join("authority.pem")).unwrap();
    let mint = |identity, (from, until)| {
        let (from, until) = (SignedDuration::from_hours(from), SignedDuration::from_hours(until));
        Minted { from, until, ..Minted::good(&authority, identity) }.credentials()
    };
    let own = mint("rollcall://controller/alice", own);
    own.save(&site.home().join("identity.pem"), Existing::Replace).unwrap();
    let listener = site.listener("127.0.0.1:0");
    let hosts = format!("[hosts.web-1]\naddresses = [\"{}\"]\n", listener.local_addr().unwrap());
    fs::write(site.home().join("hosts.toml"), hosts).unwrap();
    site.serve(&mint("rollcall://agent/web-1", agent), listener);
    site
}

/// Runs the controller with a clock that is wrong by so much.
fn run(site: &Site, offset: &str, words: &[&str]) -> Output {
    let mut command = Command::new("faketime");
    command.args(["-f", offset, env!("CARGO_BIN_EXE_controller")]).args(words);
    command.env("ROLLCALL_HOME", site.home()).env("HOME", site.home()).env("LC_ALL", "C");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").output().unwrap()
}

/// A clock that is wrong, certificates to meet it, and what `doctor` says of it.
struct Case {
    what: &'static str,
    offset: &'static str,
    own: Dates,
    agent: Dates,
    sentence: &'static str,
}

const CASES: [Case; 11] = [
    Case {
        what: "this clock is behind, and the handshake fails here",
        offset: "-5d",
        own: FOR_LONG,
        agent: (-1, 2400),
        sentence: "this machine's clock is at least 4 d 22 h behind",
    },
    Case {
        what: "this clock is ahead, and the handshake fails here",
        offset: "+40d",
        own: FOR_LONG,
        agent: (-1, 720),
        sentence: "or this machine's clock is ahead: it says ",
    },
    Case {
        what: "this clock is ahead, and the handshake fails there",
        offset: "+2h",
        own: (1, 2400),
        agent: FOR_LONG,
        sentence: "web-1's clock is at least 1 h 0 min behind this one",
    },
    Case {
        what: "this clock is behind, and the handshake fails there",
        offset: "-2h",
        own: (-2400, -1),
        agent: FOR_LONG,
        sentence: " ahead of this one, or 99 d 22 h behind it",
    },
    Case {
        what: "this clock is ahead, and the handshake works",
        offset: "+2h",
        own: FOR_LONG,
        agent: FOR_LONG,
        sentence: "web-1's clock is 2 h 0 min behind this one (",
    },
    Case {
        what: "this clock is behind, and the handshake works",
        offset: "-2h",
        own: FOR_LONG,
        agent: FOR_LONG,
        sentence: "web-1's clock is 2 h 0 min ahead of this one (",
    },
    Case {
        what: "this clock is ahead, and the agent does not believe itself yet",
        offset: "+2h",
        own: FOR_LONG,
        agent: (1, 2400),
        sentence: " behind this one; its certificate is not valid there yet (+-",
    },
    Case {
        what: "this clock is behind, and the agent does not believe itself any more",
        offset: "-2h",
        own: FOR_LONG,
        agent: (-2400, -1),
        sentence: " ahead of this one; its certificate has ended there (+-",
    },
    Case {
        what: "own certificate has ended only here",
        offset: "+40d",
        own: (-1, 720),
        agent: FOR_LONG,
        sentence: "web-1's clock is 40 d 0 h behind this one (",
    },
    Case {
        what: "a difference that harms nobody",
        offset: "+30s",
        own: FOR_LONG,
        agent: FOR_LONG,
        sentence: "web-1's clock is 30 s behind this one (",
    },
    Case {
        what: "clocks that agree",
        offset: "+0s",
        own: FOR_LONG,
        agent: FOR_LONG,
        sentence: "they agree: ",
    },
];

#[test]
fn clock_faults_are_told_as_clock_faults() {
    if Command::new("faketime").arg("--version").output().is_err() {
        return not_run("clocks that differ: there is no faketime on this machine");
    }
    let mut seen = String::new();
    for Case { what, offset, own, agent, sentence } in CASES {
        let site = site(own, agent);
        let info = run(&site, offset, &["info", "web-1", "--section", "agent"]);
        let doctor = run(&site, offset, &["doctor", "web-1"]);
        let (said, page) = (text(&info.stderr), text(&doctor.stdout));
        assert_eq!(info.status.code(), doctor.status.code(), "{what}: {page}");
        assert!(page.contains(sentence), "{what}: {page}");
        let worth_reading: String =
            page.lines().filter(|line| !line.starts_with("ok ")).map(|line| format!("{line}\n")).collect();
        let code = doctor.status.code().unwrap();
        seen += &format!("{what}: {offset}, exit {code}\n$ controller info web-1\n{said}");
        seen += &format!("$ controller doctor web-1\n{worth_reading}\n");
    }
    let masks = [
        (r" +\d+\.\d ms  ", "  [took]  "),
        (r"\+-\d+\.\d+ ms", "+-[ms]"),
        (r"(?m)^    why: its kernel says .*\n", ""),
    ];
    insta::with_settings!({ filters => [&MASKS[..], &masks].concat() }, { insta::assert_snapshot!(seen) });
}
