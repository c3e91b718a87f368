//! A passphrase on the authority's key: asked for when something is signed, and only then.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Output, Stdio};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::site::{Site, not_run, only_for_their_owner, text};

const PASSPHRASE: &str = "correct horse";

/// Runs a verb with a passphrase on its standard input.
fn with(site: &Site, passphrase: &str, words: &[&str]) -> Output {
    let bundles = site.folder.path().to_str().unwrap();
    let words: Vec<String> = words.iter().map(|word| word.replace("OUT", bundles)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    site.run_with_input(&[&words, &["--passphrase-fd", "0"][..]].concat(), passphrase.as_bytes())
}

fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

fn protected() -> Site {
    let site = Site::new();
    done(&with(&site, "correct horse\nmore", &["authority", "protect"]));
    site
}

fn authority(site: &Site) -> String {
    fs::read_to_string(site.home().join("authority.pem")).unwrap()
}

#[test]
fn whatever_signs_asks_and_whatever_does_not_never_does() {
    let site = protected();
    assert!(authority(&site).contains("BEGIN ENCRYPTED PRIVATE KEY"));
    let out = ["--out", "OUT"];
    let bob = site.path("bob");
    let request = ["--home", bob.to_str().unwrap(), "operator", "request", "--name", "bob", "--out"];
    site.good(&[&request[..], &[site.folder.path().to_str().unwrap()]].concat());
    for words in
        [&["issue", "web-1"][..], &["operator", "add", "carol"], &["operator", "sign", "OUT/bob.request"]]
    {
        done(&with(&site, PASSPHRASE, &[words, &out].concat()));
    }
    fs::remove_file(site.home().join("identity.pem")).unwrap();
    done(&with(&site, PASSPHRASE, &["init", "--name", "alice"]));
    // Nothing to read a passphrase from, and no terminal: these work all the same.
    assert_eq!(site.good(&["certs"]).lines().count(), 6);
    assert_eq!(site.run(&["info", "nowhere.invalid"]).status.code(), Some(3));
    assert!(
        text(&site.run(&["doctor", "nowhere.invalid"]).stdout).contains("whose key carries a passphrase")
    );
    done(&with(&site, PASSPHRASE, &["authority", "unprotect"]));
    assert!(authority(&site).contains("BEGIN PRIVATE KEY"));
    site.issue("web-2", "192.0.2.7");
    only_for_their_owner(site.folder.path());
}

#[test]
fn every_wrong_passphrase_is_refused_in_one_sentence_and_changes_nothing() {
    if Command::new("setsid").arg("--version").output().is_err() {
        return not_run("wrong passphrases: there is no setsid on this machine");
    }
    let site = Site::new();
    let mut seen = String::new();
    let mut note = |case: &str, output: Output| {
        let said = text(&output.stderr).replace(site.folder.path().to_str().unwrap(), "[folder]");
        assert_eq!(output.status.code(), Some(2), "{case}: {said}");
        assert!(!said.contains("horse") && said.lines().count() <= 3, "{case}: {said}");
        seen += &format!("{case}:\n{said}\n");
    };
    let bare = authority(&site);
    note("protect with nobody to ask", without_terminal(&site, &["authority", "protect"]));
    note("protect with nothing", with(&site, "", &["authority", "protect"]));
    note("protect with an empty line", with(&site, "\nhorse", &["authority", "protect"]));
    note("protect with far too much", with(&site, &"horse".repeat(1000), &["authority", "protect"]));
    note("unprotect what is not", with(&site, PASSPHRASE, &["authority", "unprotect"]));
    note("a descriptor that is not open", site.run(&["authority", "protect", "--passphrase-fd", "99"]));
    assert_eq!(authority(&site), bare);

    done(&with(&site, PASSPHRASE, &["authority", "protect"]));
    let locked = authority(&site);
    let issue = ["issue", "web-1", "--out", "OUT"];
    note("issue with nobody to ask", without_terminal(&site, &["issue", "web-1"]));
    note("issue with another passphrase", with(&site, "correct horsf", &issue));
    note("issue with an empty one", with(&site, "\n", &issue));
    note("unprotect with another passphrase", with(&site, "battery staple", &["authority", "unprotect"]));
    note("protect twice", with(&site, PASSPHRASE, &["authority", "protect"]));
    assert_eq!(authority(&site), locked);
    assert!(!site.path("web-1.bundle").exists());
    insta::assert_snapshot!(seen);
}

/// In a session of its own, which has no terminal, wherever the tests are run.
fn without_terminal(site: &Site, words: &[&str]) -> Output {
    in_new_session(site, &["--wait"], words).stdin(Stdio::null()).output().unwrap()
}

fn in_new_session(site: &Site, how: &[&str], words: &[&str]) -> Command {
    let mut command = Command::new("setsid");
    command.args(how).arg(env!("CARGO_BIN_EXE_controller")).args(words).env("ROLLCALL_HOME", site.home());
    command
}

#[test]
fn a_passphrase_can_come_from_any_descriptor() {
    let site = protected();
    fs::write(site.path("line"), "correct horse\n").unwrap();
    let script = r#"exec 7< line; exec "$0" operator add bob --passphrase-fd 7"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_controller")]).current_dir(site.folder.path());
    done(&shell.env("ROLLCALL_HOME", site.home()).output().unwrap());
    assert!(site.path("bob.bundle").exists());
}

#[test]
fn openssl_reads_a_protected_key() {
    if Command::new("openssl").arg("version").output().is_err() {
        return not_run("a protected authority in openssl: there is no openssl on this machine");
    }
    let site = protected();
    let file = site.home().join("authority.pem");
    let openssl = |words: &[&str]| {
        let output = Command::new("openssl").args(words).arg("-in").arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let key = openssl(&["pkcs8", "-passin", "pass:correct horse"]);
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    let public = openssl(&["pkey", "-passin", "pass:correct horse", "-pubout"]);
    assert_eq!(public, openssl(&["x509", "-noout", "-pubkey"]));
}

/// A terminal, and a program that has it.
struct Typed {
    person: File,
    /// Kept open: it has what the program leaves behind.
    terminal: File,
    program: Child,
    shown: String,
}

impl Typed {
    fn start(site: &Site, words: &[&str]) -> Typed {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let path = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let no_terminal_of_ours = OFlags::NOCTTY.bits().cast_signed();
        let terminal =
            File::options().read(true).write(true).custom_flags(no_terminal_of_ours).open(path).unwrap();
        let mut command = in_new_session(site, &["--wait", "--ctty"], words);
        let end = || terminal.try_clone().unwrap();
        let program = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Typed { person: person.into(), terminal, program, shown: String::new() }
    }

    /// Waits for the question, and answers it.
    fn answer(&mut self, question: &str, keys: &str) {
        while !self.shown.contains(question) {
            let mut byte = [0];
            self.person.read_exact(&mut byte).unwrap();
            self.shown.push(char::from(byte[0]));
        }
        assert!(!self.is_shown(), "what is typed would be seen");
        self.person.write_all(keys.as_bytes()).unwrap();
    }

    fn is_shown(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Waits for the end, and returns the exit code and all that was shown.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.program.wait().unwrap().code();
        assert!(self.is_shown(), "the terminal is not as it was");
        drop(self.terminal);
        let mut rest = Vec::new();
        // Linux ends a terminal that nobody holds any more with an error, once everything is read.
        let _ = self.person.read_to_end(&mut rest);
        (code, self.shown + &text(&rest))
    }
}

#[test]
fn at_a_terminal_it_is_typed_unseen_and_ctrl_c_leaves_all_as_it_was() {
    if Command::new("setsid").arg("--version").output().is_err() {
        return not_run("a passphrase at a terminal: there is no setsid on this machine");
    }
    let site = Site::new();
    let bare = authority(&site);
    let mut typed = Typed::start(&site, &["authority", "protect"]);
    typed.answer("New passphrase of the authority", "correct\x03");
    let (code, shown) = typed.end();
    assert!(code == Some(2) && shown.contains("interrupted: no passphrase was given"), "{shown}");

    let mut typed = Typed::start(&site, &["authority", "protect"]);
    typed.answer("New passphrase of the authority", "correct horse\r");
    typed.answer("The same again: ", "correct horsf\r");
    let (code, shown) = typed.end();
    assert!(code == Some(2) && shown.contains("the two passphrases are not the same"), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    assert_eq!(authority(&site), bare);

    let mut typed = Typed::start(&site, &["authority", "protect"]);
    typed.answer("New passphrase of the authority", "wrong\x15corrext\x7f\x7f\u{fc}\x7fct horse\r");
    typed.answer("The same again: ", "correct horse\r");
    let (code, shown) = typed.end();
    assert!(code == Some(0) && !shown.contains("horse"), "{shown}");

    let bundle = site.path("web-1.bundle");
    let mut typed = Typed::start(&site, &["issue", "web-1", "--out", bundle.to_str().unwrap()]);
    typed.answer("Passphrase of the authority", "correct horse\n");
    assert_eq!(typed.end().0, Some(0));
    assert!(bundle.exists());
    done(&with(&site, PASSPHRASE, &["authority", "unprotect"]));
}
