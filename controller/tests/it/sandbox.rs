//! The sandbox of the built agent: it takes away nothing that an answer needs.

use std::fs;
use std::process::Command;
use std::rc::Rc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::foundling::Foundling;
use crate::site::{Site, not_run};

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
    // strace writes all that it saw when the agent ends.
    let tracer = found.child.id();
    let children = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap();
    let agent = Pid::from_raw(children.trim().parse().unwrap()).unwrap();
    kill_process(agent, Signal::TERM).unwrap();
    found.child.wait().unwrap();

    let seen = fs::read_to_string(trace).unwrap();
    let (_, inside) = seen.rsplit_once("SECCOMP_SET_MODE_FILTER").expect("the agent enters its sandbox");
    let refused = |line: &&str| line.contains("= -1 EPERM") || line.contains("= -1 EACCES");
    let refused: Vec<&str> = inside.lines().filter(refused).collect();
    assert!(inside.contains("clone") && inside.contains("openat"), "all of its threads were watched");
    assert_eq!(refused, Vec::<&str>::new());
}
