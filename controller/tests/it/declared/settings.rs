//! How what is declared is taken: again while the agent serves, and from NRPE.

use super::*;

#[test]
fn a_reload_takes_all_that_is_declared_or_keeps_all_of_the_old() {
    let workshop = Workshop::declaring("[check.one]\nexec = [\"/bin/echo\", \"first\"]\n");
    let checked = |name: &str| workshop.said(&["check", "web-1", name]);
    let hangup = || kill_process(Pid::from_child(&workshop.agent.child), Signal::HUP).unwrap();
    assert_eq!(checked("one").1, "first\n");
    let more = workshop.site.path("agent.d");
    fs::create_dir(&more).unwrap();
    write(&more.join("10-more.toml"), "[check.two]\nexec = [\"/bin/echo\", \"second\"]\n");
    write(&more.join("ignored.txt"), "rubbish");
    hangup();
    until(|| checked("two").0 == 0);
    write(
        &workshop.config,
        "[check.one]\nexec = [\"/bin/echo\", \"changed\"]\n[check.three]\nexec = [\"echo\"]\n",
    );
    hangup();
    // A further reload tells that the one before is over.
    write(&workshop.config, "[check.one]\nexec = [\"/bin/echo\", \"third\"]\n");
    hangup();
    until(|| checked("one").1 != "first\n");
    assert_eq!(checked("one").1, "third\n");
    assert_eq!(checked("two").1, "second\n");
    write(&more.join("20-twice.toml"), "[check.one]\nexec = [\"/bin/echo\"]\n");
    let told = workshop.agent.agent(&["check-config", "--config", workshop.config.to_str().unwrap()]);
    assert!(text(&told.stderr).contains("20-twice.toml: check.one: an earlier file declares it too"));
}

#[test]
fn what_was_nrpes_is_declared_and_taken() {
    let workshop = Workshop::declaring("");
    let nrpe = workshop.site.path("nrpe.cfg");
    let commands =
        "command[check_echo]=/bin/echo \"OK - {$ARG1$}\" 'a  b'\ncommand[check_piped]=/bin/ps | wc -l\n";
    fs::write(&nrpe, format!("command_timeout=20\n{commands}")).unwrap();
    let import = agent_program(&["import-nrpe", nrpe.to_str().unwrap()]);
    let said = text(&import.stderr);
    assert!(
        import.status.success() && said.contains("command[check_piped]: it needs a shell, for a pipe"),
        "{said}"
    );
    let more = workshop.site.path("agent.d");
    fs::create_dir(&more).unwrap();
    write(&more.join("nrpe.toml"), &text(&import.stdout));
    let told = workshop.agent.agent(&["check-config", "--config", workshop.config.to_str().unwrap()]);
    assert!(told.status.success(), "{}", text(&told.stderr));
    // Nothing was declared when it began, so there is nobody who could start this.
    kill_process(Pid::from_child(&workshop.agent.child), Signal::HUP).unwrap();
    let agent = workshop.again();
    let (code, output, _) = agent.said(&["check", "web-1", "check-echo", "arg1=x y"]);
    assert_eq!((code, output.as_str()), (0, "OK - {x y} a  b\n"));
}

/// A check of which one runs, and another waits for its turn.
struct Queue {
    workshop: Workshop,
    first: Child,
    second: Child,
}

impl Queue {
    fn new() -> Queue {
        let declared =
            "[check.turn]\nexec = [\"DIR/turn\"]\nmax_running = 1\n[check.other]\nexec = [\"/bin/true\"]\n";
        let workshop = Workshop::declaring_under(&["/usr/bin/env", "ROLLCALL_LOG=debug"], declared);
        let folder = workshop.site.folder.path();
        let words = "echo begun >> {0}/log; while [ -e {0}/hold ]; do sleep 0.02; done; echo done";
        script(&folder.join("turn"), &words.replace("{0}", folder.to_str().unwrap()));
        fs::write(folder.join("hold"), "").unwrap();
        let ask = || {
            let mut asked = controller(&workshop.site.home(), &["check", "web-1", "turn"]);
            asked.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
        };
        let first = ask();
        until(|| folder.join("log").exists());
        let second = ask();
        // Until it is heard that it waits, what was ordered counts as started.
        until(|| workshop.agent.log.lock().unwrap().contains("whose turn it is waits=true"));
        Queue { workshop, first, second }
    }

    fn reload(&self, settings: &str) {
        let settings = settings.replace("DIR", self.workshop.site.folder.path().to_str().unwrap());
        write(&self.workshop.config, &settings);
        kill_process(Pid::from_child(&self.workshop.agent.child), Signal::HUP).unwrap();
    }

    /// Lets what runs come to its end; how both ended, and how many were started.
    fn end(self) -> ([(Option<i32>, String); 2], usize) {
        let Queue { workshop, first, second } = self;
        let folder = workshop.site.folder.path();
        fs::remove_file(folder.join("hold")).unwrap();
        let ended = [first, second].map(|asked| {
            let output = asked.wait_with_output().unwrap();
            (output.status.code(), text(&output.stdout))
        });
        (ended, fs::read_to_string(folder.join("log")).unwrap().lines().count())
    }
}

#[test]
fn what_waits_for_its_turn_is_not_started_when_its_declaration_is_gone() {
    let queue = Queue::new();
    queue.reload("[check.new]\nexec = [\"/bin/echo\", \"new\"]\n");
    until(|| queue.workshop.said(&["check", "web-1", "new"]).0 == 0);
    let ([_, (code, _)], started) = queue.end();
    assert_eq!((code, started), (Some(3), 1));
}

#[test]
fn what_waits_for_its_turn_is_refused_when_it_is_taken_away_and_what_runs_goes_on() {
    let mut queue = Queue::new();
    queue.reload("[deny]\nalice = \"check:turn\"\n[check.turn]\nexec = [\"DIR/turn\"]\nmax_running = 1\n");
    // At once, while the other still runs.
    assert_eq!(queue.second.wait().unwrap().code(), Some(3));
    assert_eq!(queue.first.try_wait().unwrap(), None);
    let ([first, (_, said)], started) = queue.end();
    assert!(said.contains("`check:turn` is taken away from alice"), "{said}");
    assert_eq!((first, started), ((Some(0), "done\n".to_owned()), 1));
}

#[test]
fn the_record_of_a_request_that_was_cut_says_whether_anything_was_started() {
    let mut queue = Queue::new();
    let log = queue.workshop.agent.state.path().join("audit/current.jsonl");
    let cut = || {
        let log = fs::read_to_string(&log).unwrap();
        let cut = log.lines().filter(|line| line.contains(r#""outcome":"cut""#));
        cut.map(|line| line.contains(r#","program":"started""#)).collect::<Vec<bool>>()
    };
    kill_process(Pid::from_child(&queue.second), Signal::KILL).unwrap();
    until(|| cut().len() == 1);
    kill_process(Pid::from_child(&queue.first), Signal::KILL).unwrap();
    until(|| cut().len() == 2);
    assert_eq!(cut(), [false, true]);
    for asked in [&mut queue.first, &mut queue.second] {
        asked.wait().unwrap();
    }
}

#[test]
fn what_the_network_process_could_exchange_is_not_declared_and_not_started() {
    let declared = "[check.moved]\nexec = [\"DIR/programs/moved\"]\n";
    let workshop = Workshop::declaring(declared);
    let (folder, state) = (workshop.site.folder.path(), workshop.agent.state.path());
    let checked = || workshop.said(&["check", "web-1", "moved"]);
    let told = || {
        let identity = bundle_at(&workshop.site);
        let words = ["--config", workshop.config.to_str().unwrap(), "--identity", identity.to_str().unwrap()];
        text(&workshop.agent.agent(&[&["check-config"], &words[..]].concat()).stderr)
    };
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    script(&state.join("program"), "echo exchanged");
    script(&folder.join("identity/program"), "echo exchanged");
    script(&programs.join("moved"), "echo good");
    assert_eq!(checked().1, "good\n");
    // A link that leads there since it was looked at.
    fs::remove_file(programs.join("moved")).unwrap();
    std::os::unix::fs::symlink(state.join("program"), programs.join("moved")).unwrap();
    let (code, output, errors) = checked();
    let why = "where the process that talks to the network may write";
    assert!(code == 3 && (output + &errors).contains(why), "{errors}");
    assert!(
        told().contains(&format!("check.moved.exec: {}/program lies in ", state.display())),
        "{}",
        told()
    );
    write(&workshop.config, &format!("[check.x]\nexec = [\"{}/identity/program\"]\n", folder.display()));
    assert!(told().contains("check.x.exec: ") && told().contains("/identity/program lies in "), "{}", told());
    let inside = state.join("agent.toml");
    write(&inside, "[check.new]\nexec = [\"/bin/echo\", \"new\"]\n");
    let inside = workshop.agent.agent(&["check-config", "--config", inside.to_str().unwrap()]);
    assert!(
        text(&inside.stderr).contains("declares what is to be started, and "),
        "{}",
        text(&inside.stderr)
    );
}
