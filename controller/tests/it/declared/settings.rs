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

#[test]
fn what_waits_for_its_turn_is_not_started_when_its_declaration_is_gone() {
    let declared =
        "[check.turn]\nexec = [\"DIR/turn\"]\nmax_running = 1\n[check.other]\nexec = [\"/bin/true\"]\n";
    let workshop = Workshop::declaring(declared);
    let folder = workshop.site.folder.path();
    script(
        &folder.join("turn"),
        &format!("echo begun >> {0}/log; while [ -e {0}/hold ]; do sleep 0.02; done", folder.display()),
    );
    fs::write(folder.join("hold"), "").unwrap();
    let ask = || {
        controller(&workshop.site.home(), &["check", "web-1", "turn"]).stdout(Stdio::null()).spawn().unwrap()
    };
    // Each that runs or waits holds one socket of the runner's.
    let runner = workshop.runner().as_raw_nonzero();
    let held = || fs::read_dir(format!("/proc/{runner}/fd")).unwrap().count();
    let at_rest = held();
    let mut first = ask();
    until(|| folder.join("log").exists() && held() == at_rest + 1);
    let mut second = ask();
    until(|| held() == at_rest + 2);
    write(&workshop.config, "[check.new]\nexec = [\"/bin/echo\", \"new\"]\n");
    kill_process(Pid::from_child(&workshop.agent.child), Signal::HUP).unwrap();
    until(|| workshop.said(&["check", "web-1", "new"]).0 == 0);
    fs::remove_file(folder.join("hold")).unwrap();
    first.wait().unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(3));
    assert_eq!(fs::read_to_string(folder.join("log")).unwrap(), "begun\n");
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
