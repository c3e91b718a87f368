//! Many at once, and much from one.

use super::*;

#[test]
fn a_hundred_checks_at_once_wait_for_their_turn_and_none_is_lost() {
    let workshop =
        Workshop::declaring("[check.turn]\nmax_running = 3\nexec = [\"DIR/turn\"]\ntimeout = \"20s\"\n");
    let folder = workshop.site.folder.path();
    let log = folder.join("log");
    let words = format!("echo + >> {0}; sleep 0.02; echo - >> {0}; echo OK", log.display());
    script(&folder.join("turn"), &words);
    let ask = || {
        controller(&workshop.site.home(), &["check", "web-1", "turn"]).stdout(Stdio::null()).spawn().unwrap()
    };
    let asking: Vec<Child> = (0..100).map(|_| ask()).collect();
    for mut asked in asking {
        assert_eq!(asked.wait().unwrap().code(), Some(0));
    }
    let (mut running, mut most) = (0, 0);
    for line in fs::read_to_string(log).unwrap().lines() {
        running += if line == "+" { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!((running, most), (0, 3));
}

#[test]
fn a_gigabyte_passes_through_and_a_slow_reader_makes_its_writer_wait() {
    let workshop = Workshop::declaring(
        "[allow]\nalice = [\"run:flood\"]\n[command.flood]\nexec = [\"/usr/bin/head\", \"-c\", \"1073741824\", \"/dev/zero\"]\nmax_output = \"2GiB\"\n",
    );
    let mut running = controller(&workshop.site.home(), &["run", "web-1", "flood"]);
    let mut running = running.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = running.stdout.take().unwrap();
    let memory = || {
        let pids = [workshop.agent.child.id(), running.id()];
        pids.map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB").trim();
            line.split(' ').next().unwrap().parse::<u64>().unwrap()
        })
    };
    let mut read = 0;
    let mut bytes = vec![0; 1 << 20];
    while read < 256 << 20 {
        read += output.read(&mut bytes).unwrap();
    }
    let midway = memory();
    loop {
        match output.read(&mut bytes).unwrap() {
            0 => break,
            more => read += more,
        }
        if read > 900 << 20 && read < 901 << 20 {
            assert!(memory().into_iter().all(|most| most < 64 << 10), "{midway:?} {:?} KiB", memory());
        }
    }
    assert_eq!(read, 1 << 30);
    assert_eq!(running.wait().unwrap().code(), Some(0));
}

#[test]
fn who_ends_it_while_nobody_reads_does_not_wait_for_the_reader() {
    let workshop = Workshop::declaring(
        "[allow]\nalice = [\"run:yes\"]\n[command.yes]\nexec = [\"/usr/bin/yes\"]\nmax_output = \"2GiB\"\n",
    );
    for more in [&[][..], &["--output", "lines"]] {
        let mut running = controller(&workshop.site.home(), &[&["run", "web-1", "yes"], more].concat());
        let mut running = running.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let waits_in = format!("/proc/{}/wchan", running.id());
        until(|| fs::read_to_string(&waits_in).is_ok_and(|place| place.contains("pipe_write")));
        kill_process(Pid::from_child(&running), Signal::INT).unwrap();
        assert_eq!(running.wait().unwrap().code(), Some(130));
        assert!(workshop.all_are_gone());
    }
}
