use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

fn line(command: &str, state: &str, started: u64) -> String {
    let between = "0 ".repeat(18);
    format!("42 ({command}) {state} {between}{started} 0 0\n")
}

fn counted(names: &[&str], lines: &[(String, &str)]) -> Vec<Tally> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut tallies = vec![Tally::default(); names.len()];
    for (line, arguments) in lines {
        add(line, &names, &mut tallies, || (*arguments).to_owned());
    }
    tallies
}

fn tally(running: u64, zombies: u64, oldest_ticks: Option<u64>) -> Tally {
    Tally { running, zombies, oldest_ticks }
}

#[test]
fn names_are_compared_whole_and_zombies_counted_apart() {
    let lines = [
        (line("cron", "S", 700), "/usr/sbin/cron\0-f\0"),
        (line("cron", "R", 300), "cron"),
        (line("cron", "Z", 100), ""),
        (line("crond", "S", 200), ""),
        (line("my) (odd) S 1", "D", 5), ""),
    ];
    let told = counted(&["cron", "cro", "my) (odd) S 1", ""], &lines);
    assert_eq!(
        told,
        [tally(2, 1, Some(300)), tally(0, 0, None), tally(1, 0, Some(5)), tally(0, 0, None)],
        "a zombie is not the oldest that lives"
    );
}

#[test]
fn a_name_that_the_kernel_cut_is_looked_up_in_the_arguments() {
    let lines = [
        (line("systemd-network", "S", 9), "/lib/systemd/systemd-networkd\0"),
        (line("systemd-network", "S", 8), "/lib/systemd/systemd-network-generator\0"),
    ];
    let names = ["systemd-networkd", "systemd-network", "systemd-networkx", "networkd"];
    let told = counted(&names, &lines);
    assert_eq!(told, [tally(1, 0, Some(9)), tally(2, 0, Some(8)), tally(0, 0, None), tally(0, 0, None)]);
}

#[test]
fn odd_lines_are_nobody() {
    for odd in ["", "42", "42 (cron", "42 (cron) ", "42 (cron) S 1 2", "42 cron) S"] {
        assert_eq!(Process::parse(odd), None, "{odd:?}");
    }
}

/// Starts a program under another name, and waits until it says something.
#[tokio::test]
async fn a_process_is_counted_under_its_name_and_a_dead_child_as_a_zombie() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("rollc-{}", std::process::id());
    let program = folder.path().join(&name);
    fs::copy("/bin/sh", &program).unwrap();
    let start = |script: &str| {
        let mut command = Command::new(&program);
        let command = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        child
    };
    let mut lives = start("echo ready; read line");
    let booted = super::super::clock::Clock::new().booted(Timestamp::now());
    let crowd = Crowd::new();
    let names = vec![name.clone(), "no such process".to_owned()];
    let counts = crowd.count(names.clone(), booted).await.unwrap();
    assert_eq!((counts[0].running, counts[0].zombies, counts[1].running), (1, 0, 0), "{counts:?}");
    let age = Timestamp::now().duration_since(counts[0].oldest_started.unwrap());
    assert!(age < SignedDuration::from_secs(60) && age > SignedDuration::from_secs(-3), "{age}");
    // Its input ends, and so does it; nobody asks for its end yet.
    drop(lives.stdin.take());
    let ended = async {
        while crowd.count(names.clone(), booted).await.unwrap()[0].zombies == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it lives on");
    let counts = crowd.count(names, booted).await.unwrap();
    assert_eq!((counts[0].running, counts[0].oldest_started), (0, None), "{counts:?}");
    lives.wait().unwrap();
}
