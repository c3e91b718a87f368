//! Whatever came from a program ends with it.

use super::*;

/// Forks twice, leaves its session, holds the outputs, and does not heed SIGTERM.
const HIDES: &str = r#"
trap '' TERM
setsid sh -c "trap '' TERM; DIR/nap 1 & DIR/nap 2; true" &
(DIR/nap 3 &)
DIR/nap 4
true"#;

fn hiding() -> Workshop {
    let workshop = Workshop::declaring(
        r#"
        [allow]
        alice = ["run:hides", "run:limited", "run:leaves", "run:zombies"]
        [command.hides]
        exec = ["DIR/hides"]
        [command.limited]
        exec = ["DIR/hides"]
        timeout = "300ms"
        [command.leaves]
        exec = ["DIR/leaves"]
        [command.zombies]
        exec = ["DIR/zombies"]
        "#,
    );
    let folder = workshop.site.folder.path();
    script(&folder.join("nap"), "while :; do sleep 5; done");
    script(&folder.join("hides"), &HIDES.replace("DIR", folder.to_str().unwrap()));
    script(&folder.join("leaves"), &format!("(setsid {}/nap 5 &) ; echo done", folder.display()));
    script(&folder.join("zombies"), "for i in 1 2 3 4 5 6 7 8; do sleep 0 & done; exec sleep 0.1");
    workshop
}

#[test]
fn whatever_came_from_a_command_ends_with_it() {
    let workshop = hiding();
    let folder = workshop.site.folder.path();
    assert_eq!(workshop.said(&["run", "web-1", "limited"]).0, 124);
    assert!(workshop.all_are_gone(), "{:?}", left_in(folder));
    let (code, output, _) = workshop.said(&["run", "web-1", "leaves"]);
    assert_eq!((code, output.as_str()), (0, "done\n"));
    assert!(workshop.all_are_gone(), "{:?}", left_in(folder));

    // Ctrl-C, a controller that is killed, and one that only goes away.
    for signal in [Signal::INT, Signal::KILL, Signal::TERM] {
        let mut running = controller(&workshop.site.home(), &["run", "web-1", "hides"]);
        let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until(|| {
            (1..=4).all(|nap| left_in(folder).iter().any(|words| words.contains(&format!("nap {nap}"))))
        });
        kill_process(Pid::from_child(&running), signal).unwrap();
        let code = running.wait().unwrap().code();
        assert_eq!(code, (signal == Signal::INT).then_some(130));
        assert!(workshop.all_are_gone(), "{signal:?}: {:?}", left_in(folder));
    }
    assert_eq!(workshop.said(&["run", "web-1", "zombies"]).0, 0);
    let runner = workshop.runner().as_raw_nonzero();
    let left = fs::read_to_string(format!("/proc/{runner}/task/{runner}/children")).unwrap();
    assert_eq!(left, "", "nothing is left, dead or alive");
}

#[test]
fn when_the_agent_goes_all_of_it_goes() {
    let mut workshop = hiding();
    let mut running = controller(&workshop.site.home(), &["run", "web-1", "hides"]);
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| left_in(workshop.site.folder.path()).iter().any(|words| words.contains("nap 4")));
    kill_process(Pid::from_child(&workshop.agent.child), Signal::KILL).unwrap();
    workshop.agent.child.wait().unwrap();
    running.wait().unwrap();
    let folder = workshop.site.folder.path();
    until(|| left_in(folder).is_empty());
}

#[test]
fn an_agent_that_has_lost_its_runner_ends_and_says_so() {
    let mut workshop = hiding();
    kill_process(workshop.runner(), Signal::KILL).unwrap();
    assert_eq!(workshop.agent.child.wait().unwrap().code(), Some(1));
}
