//! Homes that are missing, damaged or loosely kept: named by file and reason, and never overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::site::{Site, text};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn refused(site: &Site, words: &[&str]) -> String {
    let output = site.run(words);
    assert_eq!(output.status.code(), Some(2), "{words:?}: {}", text(&output.stderr));
    text(&output.stderr).replace(site.folder.path().to_str().unwrap(), "[folder]")
}

#[test]
fn every_secret_is_for_its_owner_only() {
    let site = Site::new();
    site.issue("web-1", "192.0.2.7");
    assert_eq!(mode(&site.home()), 0o700);
    for entry in fs::read_dir(site.home()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&site.path("web-1.bundle")), 0o600);
}

#[test]
fn a_missing_home_says_how_to_make_one() {
    let site = Site::new();
    fs::remove_dir_all(site.home()).unwrap();
    let said = refused(&site, &["info", "web-1"]);
    assert_eq!(
        said,
        "controller: there is no identity of yours in [folder]/home\n  \
         try: begin with `controller adopt HOST` or `controller init`; where somebody else keeps the authority, with `controller operator request`; or name another home with --home\n"
    );
    assert!(!site.home().exists());
}

#[test]
fn nothing_that_is_there_is_made_again() {
    let site = Site::new();
    site.issue("web-1", "192.0.2.7");
    let before = |name: &str| fs::read(site.home().join(name)).unwrap();
    let (authority, identity) = (before("authority.pem"), before("identity.pem"));
    assert!(refused(&site, &["init"]).contains("already holds an identity"));
    let bundle = site.path("web-1.bundle");
    let said = refused(&site, &["issue", "web-1", "--out", bundle.to_str().unwrap()]);
    assert!(said.contains("web-1.bundle is already there, and is never overwritten"), "{said}");
    assert_eq!((before("authority.pem"), before("identity.pem")), (authority, identity));
}

#[test]
fn an_init_that_was_cut_off_goes_on() {
    let site = Site::new();
    let authority = fs::read(site.home().join("authority.pem")).unwrap();
    fs::remove_file(site.home().join("identity.pem")).unwrap();
    site.good(&["init"]);
    assert_eq!(fs::read(site.home().join("authority.pem")).unwrap(), authority);
    assert!(site.home().join("identity.pem").exists());
}

#[test]
fn a_damaged_file_is_named_with_its_fault_and_kept() {
    let site = Site::new();
    for (file, words, damage, fault) in [
        ("identity.pem", &["info", "web-1"][..], "", "the file is empty"),
        ("identity.pem", &["info", "web-1"], "-----BEGIN PRIVATE KEY-----\nMC", "the file was cut short"),
        ("identity.pem", &["init"], "rubbish", "already holds an identity"),
        ("authority.pem", &["issue", "web-1"], "rubbish", "line 1 is neither PEM nor a comment"),
        ("hosts.toml", &["info", "web-1"], "[hosts\n", "hosts.toml: line 1: `[hosts` is not known here;"),
        (
            "hosts.toml",
            &["issue", "web-1"],
            "[hosts.web-1]\naddresses = 5\n",
            "hosts.toml: line 2: invalid type: integer `5`",
        ),
    ] {
        let path = site.home().join(file);
        let good = fs::read(&path).ok();
        fs::write(&path, damage).unwrap();
        let said = refused(&site, words);
        assert!(said.contains(fault), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damage);
        match good {
            Some(good) => fs::write(&path, good).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
}

#[test]
fn loose_modes_are_refused_with_the_command_that_mends_them() {
    let site = Site::new();
    let identity = site.home().join("identity.pem");
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o644)).unwrap();
    let said = refused(&site, &["info", "web-1"]);
    assert!(said.contains("mend it with: chmod 600 [folder]/home/identity.pem"), "{said}");
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(site.home(), fs::Permissions::from_mode(0o770)).unwrap();
    let said = refused(&site, &["info", "web-1"]);
    assert!(said.contains("mend it with: chmod 700 [folder]/home"), "{said}");
}
