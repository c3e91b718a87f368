//! What is never started, and never becomes more than one argument.

use super::*;

/// A check with a parameter of each type.
const OF_EACH_TYPE: &str = r#"
[check.number]
exec = ["DIR/print", "{value}"]
parameter.value.integer = [-5, 100]
[check.word]
exec = ["DIR/print", "--word={value}", "after"]
parameter.value.one_of = ["yes", "no thanks"]
[check.text]
exec = ["DIR/print", "{value}"]
parameter.value.regex = "^[a-z;$()` ]+$"
[check.path]
exec = ["DIR/print", "{value}"]
parameter.value.beneath = "DIR/inside"
"#;

#[test]
fn what_is_hostile_never_becomes_more_than_one_argument() {
    let workshop = Workshop::declaring(OF_EACH_TYPE);
    let folder = workshop.site.folder.path();
    script(&folder.join("print"), r#"for word in "$@"; do printf '<%s>' "$word"; done"#);
    fs::create_dir(folder.join("inside")).unwrap();
    fs::write(folder.join("inside/file"), "").unwrap();
    std::os::unix::fs::symlink("/etc", folder.join("inside/link")).unwrap();
    let inside = folder.join("inside/file").canonicalize().unwrap();
    let canary = folder.join("canary");
    let touch = format!("touch {}", canary.display());
    let asked =
        |check: &str, value: &str| workshop.said(&["check", "web-1", check, &format!("value={value}")]);
    for (check, value, printed) in [
        ("number", "-5", "<-5>".to_owned()),
        ("word", "no thanks", "<--word=no thanks><after>".to_owned()),
        ("text", "$(id) `id`; a", "<$(id) `id`; a>".to_owned()),
        ("path", "file", format!("<{}>", inside.display())),
    ] {
        let (code, output, errors) = asked(check, value);
        assert_eq!((code, output.trim_end()), (0, printed.as_str()), "{check}: {errors}");
    }
    let commands = [format!("; {touch}"), format!("$({touch})"), format!("`{touch}`"), format!("a\n{touch}")];
    let hostile =
        ["", "a\n", "-rf", "--help", "../print", "/etc/passwd", "link/passwd", "\u{430}", "１", "a\u{202e}"];
    let long = "a".repeat(5000);
    let all = hostile.iter().copied().chain(commands.iter().map(String::as_str)).chain([long.as_str()]);
    for value in all {
        for check in ["number", "word", "text", "path"] {
            let (code, output, errors) = asked(check, value);
            assert_eq!(code, 3, "{check} took {value:?}: {output}");
            assert!(errors.contains("parameter \"value\": "), "{check} {value:?}: {errors}");
        }
    }
    for words in [&["check", "web-1", "number"][..], &["check", "web-1", "number", "value=1", "more=1"]] {
        let (code, _, errors) = workshop.said(words);
        assert!(code == 3 && errors.contains("parameter \""), "{errors}");
    }
    assert!(!canary.exists());
}

#[test]
fn only_what_was_pinned_and_what_nobody_else_can_change_is_started() {
    let workshop = Workshop::declaring(
        r#"
        [allow]
        alice = ["run:pinned", "run:open"]
        [command.pinned]
        exec = ["DIR/pinned"]
        sha256 = "9d4b0f5f4ea4bf0ccbd6fca0a7f29a28b6a8ac5e9fbb1f8f5e7d5d4f3a5a5a5a"
        [command.open]
        exec = ["DIR/open"]
        "#,
    );
    let folder = workshop.site.folder.path();
    script(&folder.join("pinned"), "echo it is me");
    script(&folder.join("open"), "echo open");
    let (code, _, errors) = workshop.said(&["run", "web-1", "pinned"]);
    assert!(code == 125 && errors.contains("its SHA-256 is "), "{errors}");
    let (_, rest) = errors.split_once("its SHA-256 is ").unwrap();
    let found = rest.split(',').next().unwrap();
    let config = fs::read_to_string(&workshop.config).unwrap();
    let (before, after) =
        config.split_once("9d4b0f5f4ea4bf0ccbd6fca0a7f29a28b6a8ac5e9fbb1f8f5e7d5d4f3a5a5a5a").unwrap();
    write(&workshop.config, &format!("{before}{found}{after}"));
    kill_process(Pid::from_child(&workshop.agent.child), Signal::HUP).unwrap();
    until(|| workshop.said(&["run", "web-1", "pinned"]).0 == 0);
    assert_eq!(workshop.said(&["run", "web-1", "pinned"]).1, "it is me\n");
    // Another file under the same name, and another content.
    script(&folder.join("other"), "echo it is me, or am I");
    fs::rename(folder.join("other"), folder.join("pinned")).unwrap();
    let (code, output, _) = workshop.said(&["run", "web-1", "pinned"]);
    assert_eq!((code, output.as_str()), (125, ""));

    assert_eq!(workshop.said(&["run", "web-1", "open"]).0, 0);
    fs::set_permissions(folder.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, errors) = workshop.said(&["run", "web-1", "open"]);
    assert!(code == 125 && errors.contains("others can write "), "{errors}");
    let checked = workshop.agent.agent(&["check-config", "--config", workshop.config.to_str().unwrap()]);
    assert!(text(&checked.stderr).contains("command.open: others can write "), "{}", text(&checked.stderr));
}
