//! The sandbox of the built agent: it takes away nothing that an answer needs.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::declared::Workshop;
use crate::foundling::Foundling;
use crate::site::{Site, controller, not_run};

/// What does not change between two questions, and was lost in a sandbox before.
fn lasting(info: &Value) -> Value {
    let each = |list: &Value, facts: fn(&Value) -> Value| -> Vec<Value> {
        list.as_array().unwrap().iter().map(facts).collect()
    };
    let mut system = info["system"].clone();
    system["uptime_seconds"] = Value::Null;
    system["booted"] = Value::Null;
    json!({
        "system": system,
        "cpu": [info["cpu"]["model"], info["cpu"]["physical_cores"], info["cpu"]["logical_cores"]],
        "memory": [info["memory"]["total_bytes"], info["memory"]["swap_total_bytes"]],
        "disks": each(&info["disks"], |disk| {
            json!([disk["mount_point"], disk["kind"], disk["read_only"], disk["space"]["size_bytes"], disk["problem"]])
        }),
        "network": each(&info["network"], |face| json!([face["name"], face["mac"], face["up"], face["addresses"]])),
        "users": info["users"],
        "limit": info["agent"]["descriptors_limit"],
    })
}

#[test]
fn inside_the_machine_looks_as_it_does_outside() {
    let (outside, _) = Site::with_agent();
    let (inside, mut found) = (Site::new(), Foundling::new());
    found.adopted_by(&inside);
    let ask = ["info", "web-1"];
    let (inside, outside) = (inside.answer(&ask), outside.answer(&ask));
    let mut expected = lasting(&outside);
    // The test's own process may have another one.
    expected["limit"] = inside["agent"]["descriptors_limit"].clone();
    assert_eq!(lasting(&inside), expected);
    let sandbox = |info: &Value| info["agent"]["sandbox"].clone();
    assert_eq!(sandbox(&outside), Value::Null, "an agent inside another program has none, and says so");
    assert_eq!(
        sandbox(&inside)["missing"],
        json!([]),
        "a kernel that lacks a part was not meant for this test"
    );
    assert!(sandbox(&inside)["holds"].as_array().unwrap().contains(&json!("system calls")));
}

#[test]
fn no_call_that_an_answer_needs_is_refused() {
    if Command::new("strace").arg("-V").output().is_err() {
        return not_run("the agent's system calls were not watched: strace is not installed");
    }
    let (site, folder) = (Site::new(), tempfile::tempdir().unwrap());
    let trace = folder.path().join("trace");
    let wrap = ["strace", "-f", "-qq", "-o", trace.to_str().unwrap()];
    let mut found = Foundling::at(&Rc::new(tempfile::tempdir().unwrap()), &wrap).unwrap();
    found.adopted_by(&site);
    for verb in ["info", "uptime", "time", "whoami", "doctor", "renew", "sync", "info"] {
        site.good(&[verb, "web-1"]);
    }
    site.good(&["echo", "web-1", "hello"]);
    site.good(&["ping", "web-1", "-c", "3"]);
    site.good(&["can", "web-1", "info"]);
    assert_eq!(refused_in(&mut found, &trace, &[]), Vec::<String>::new());
}

#[test]
fn no_call_that_what_goes_on_for_long_needs_is_refused() {
    if Command::new("strace").arg("-V").output().is_err() {
        return not_run(
            "the agent's system calls were not watched while it ran programs: strace is not installed",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let wrap = ["strace", "-f", "-qq", "-o", trace.to_str().unwrap()];
    let declared = "[allow]\nalice = [\"audit\", \"run:echo\", \"run:floods\"]\n[audit]\nrotate = \"16KiB\"\n\
                    [check.true]\nexec = [\"/bin/true\"]\n[command.echo]\nexec = [\"/bin/echo\", \"hello\"]\n\
                    [command.floods]\nexec = [\"/usr/bin/yes\"]\n";
    let Workshop { site, mut agent, config } = Workshop::declaring_under(&wrap, declared);
    let process = only_child(agent.child.id());
    let runner = only_child(process);
    site.good(&["check", "web-1", "true"]);
    site.good(&["check", "web-1", "true", "--explain"]);
    site.good(&["run", "web-1", "echo"]);
    site.good(&["caps", "web-1"]);
    site.good(&["watch", "web-1", "-c", "2", "-i", "200ms"]);
    // Whoever goes away while it runs has it ended.
    let mut running = controller(&site.home(), &["run", "web-1", "floods"]);
    let mut running = running.stdout(Stdio::piped()).spawn().unwrap();
    running.stdout.as_mut().unwrap().read_exact(&mut [0; 1 << 16]).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    let audit = agent.state.path().join("audit");
    site.good(&["ping", "web-1", "-c", "120", "-i", "1ms"]);
    let files = fs::read_dir(&audit).unwrap().count();
    site.good(&["audit", "web-1", "--since", "1"]);
    let more = fs::read_to_string(&config).unwrap() + "[check.more]\nexec = [\"/bin/true\"]\n";
    fs::write(&config, more).unwrap();
    kill_process(Pid::from_raw(process.try_into().unwrap()).unwrap(), Signal::HUP).unwrap();
    while site.run(&["check", "web-1", "more"]).status.code() != Some(0) {}
    assert_eq!(refused_in(&mut agent, &trace, &[runner]), Vec::<String>::new());
    assert!(files > 1, "the audit log went on in another file");
}

fn only_child(process: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    children.trim().parse().unwrap()
}

/// Ends an agent under strace; the calls that were refused in its sandbox, but for those of others that were watched with it: the
/// runner's and its programs'.
fn refused_in(agent: &mut Foundling, trace: &Path, others: &[u32]) -> Vec<String> {
    // strace writes all that it saw when the agent ends.
    let process = only_child(agent.child.id());
    kill_process(Pid::from_raw(process.try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    agent.child.wait().unwrap();
    let seen = fs::read_to_string(trace).unwrap();
    let (_, inside) = seen.rsplit_once("SECCOMP_SET_MODE_FILTER").expect("the agent enters its sandbox");
    let caller = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let programs = inside.lines().filter(|line| line.contains(" execve(")).map(caller);
    let others: BTreeSet<String> = others.iter().map(u32::to_string).chain(programs).collect();
    let own = inside.lines().filter(|line| !others.contains(&caller(line)));
    let own: Vec<&str> = own.collect();
    assert!(
        ["clone", "openat"].iter().all(|call| own.iter().any(|line| line.contains(call))),
        "all threads were watched"
    );
    // Where `clone3` is unknown, the C library goes on with `clone`.
    let refused = |line: &&&str| {
        line.contains("= -1 EPERM")
            || line.contains("= -1 EACCES")
            || line.contains("= -1 ENOSYS") && !line.contains("clone3")
    };
    own.iter().filter(refused).map(|line| (*line).to_owned()).collect()
}
