//! What an agent's owner granted and took away, as a person at the desk meets it.

use agent::config::Policy;
use agent::permissions::{Permissions, Rule};

use crate::site::{Site, text};

fn rule(who: &str, what: &str) -> Rule {
    Rule { who: who.parse().unwrap(), what: vec![what.parse().unwrap()] }
}

fn site() -> Site {
    let permissions =
        Permissions { allow: vec![rule("alice", "run:restart-nginx")], deny: vec![rule("*", "uptime")] };
    Site::with_policy(Policy { permissions, ..Policy::default() }).0
}

#[test]
fn whoami_says_who_the_agent_sees_and_what_it_permits() {
    let site = site();
    let table = site.good(&["whoami", "web-1"]);
    assert!(table.starts_with("you are      rollcall://controller/alice\nteams        none\n"), "{table}");
    let may = "you may      can, caps, check, echo, explain, info, install, processes, renew, \
               run:restart-nginx, services, sync, time, watch, whoami\n";
    assert!(table.ends_with(may), "{table}");
    let answer = site.answer(&["whoami", "web-1"]);
    assert_eq!(answer["identity"], "rollcall://controller/alice");
}

#[test]
fn can_answers_with_its_exit_code_and_a_refusal_says_how_to_grant() {
    let site = site();
    let mut seen = String::new();
    for words in [
        &["can", "web-1", "info"][..],
        &["can", "web-1", "run:restart-nginx"],
        &["can", "web-1", "run:reboot"],
        &["can", "web-1", "uptime"],
        &["uptime", "web-1"],
    ] {
        let output = site.run(words);
        let code = output.status.code().unwrap();
        seen +=
            &format!("$ controller {}\n{}{}", words.join(" "), text(&output.stdout), text(&output.stderr));
        seen += &format!("exit code {code}\n\n");
    }
    insta::assert_snapshot!(seen);
}
