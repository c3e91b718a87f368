//! Keys on disk: modes, faults by name, and nothing overwritten.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use certs::store::{self, Existing};
use certs::{Algorithm, Authority, Credentials, Grant, Identity, Validity};

fn agent(authority: &Authority) -> Credentials {
    let identity = Identity::agent("web-1".parse().unwrap());
    let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
    authority.issue(Algorithm::Ed25519, &grant).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn write(path: &Path, text: &str) {
    let _ = fs::remove_file(path);
    store::write_secret(path, text.as_bytes(), Existing::Keep).unwrap();
}

#[test]
fn what_is_saved_is_loaded_and_only_its_owner_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let (of_authority, of_agent) = (folder.path().join("authority.pem"), folder.path().join("web-1.bundle"));
    authority.save(&of_authority).unwrap();
    agent(&authority).save(&of_agent, Existing::Keep).unwrap();

    assert_eq!((mode(&of_authority), mode(&of_agent)), (0o600, 0o600));
    assert_eq!(Authority::load(&of_authority).unwrap().certificate(), authority.certificate());
    let loaded = Credentials::load(&of_agent).unwrap();
    assert_eq!(loaded.own().identity.to_string(), "rollcall://agent/web-1");
    assert_eq!(format!("{loaded:?}"), "Credentials(rollcall://agent/web-1, key redacted)");
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    store::write_secret(&path, b"first", Existing::Keep).unwrap();
    assert!(store::write_secret(&path, b"second", Existing::Keep).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"first");
    store::write_secret(&path, b"second", Existing::Replace).unwrap();
    assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (&b"second"[..], 0o600));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left behind");
}

#[test]
fn loose_modes_are_refused_with_the_command_that_mends_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web-1.bundle");
    agent(&Authority::create(Algorithm::Ed25519).unwrap()).save(&path, Existing::Keep).unwrap();
    for loose in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
        let said = Credentials::load(&path).unwrap_err().to_string();
        assert!(said.ends_with(&format!("mend it with: chmod 600 {}", path.display())), "{said}");
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let said = store::check_folder(folder.path()).unwrap_err().to_string();
    assert!(said.ends_with(&format!("mend it with: chmod 700 {}", folder.path().display())), "{said}");
}

#[test]
fn a_damaged_bundle_is_named_by_file_and_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    agent(&authority).save(&path, Existing::Keep).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let other = folder.path().join("other");
    agent(&authority).save(&other, Existing::Keep).unwrap();
    let other = fs::read_to_string(&other).unwrap();
    let key_end = good.find("-----BEGIN CERTIFICATE").unwrap();
    let (key, certificates) = good.split_at(key_end);
    let other_certificates = other.split_at(other.find("-----BEGIN CERTIFICATE").unwrap()).1;
    let leaf_end = certificates[5..].find("-----BEGIN").unwrap() + 5;
    let (leaf, root) = certificates.split_at(leaf_end);

    for (text, fault) in [
        (String::new(), "the file is empty"),
        (certificates.to_owned(), "it holds 0 private keys instead of one"),
        (format!("{key}{good}"), "it holds 2 private keys instead of one"),
        (key.to_owned(), "there is no identity's certificate in it"),
        (format!("{key}{root}"), "there is no identity's certificate in it"),
        (format!("{key}{leaf}"), "there is no authority's certificate"),
        (format!("{key}{leaf}{leaf}"), "it holds more than one identity's certificate"),
        (format!("{key}{other_certificates}"), "the key does not belong to the certificate"),
        (good[..good.len() - 40].to_owned(), "has no end: the file was cut short"),
        (format!("{good}rubbish\n"), "is neither PEM nor a comment"),
        (
            good.replace("-----BEGIN CERTIFICATE-----\nM", "-----BEGIN CERTIFICATE-----\n!"),
            "this is not whole PEM",
        ),
    ] {
        write(&path, &text);
        let said = Credentials::load(&path).unwrap_err().to_string();
        assert!(
            said.starts_with(&path.display().to_string()) && said.contains(fault),
            "{said:?} lacks {fault:?}"
        );
    }

    let said = Credentials::load(folder.path()).unwrap_err().to_string();
    assert!(said.ends_with("this is not a file"), "{said}");
    let missing = Credentials::load(&folder.path().join("missing")).unwrap_err();
    assert!(missing.is_not_found());
    fs::remove_file(&path).unwrap();
    store::write_secret(&path, &[0x30, 0x82, 0xff, 0xfe], Existing::Keep).unwrap();
    let said = Credentials::load(&path).unwrap_err().to_string();
    assert!(said.ends_with("PEM is expected, not DER"), "{said}");
}

#[test]
fn an_authority_is_loaded_only_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authority.pem");
    Authority::create(Algorithm::P256).unwrap().save(&path).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let other = folder.path().join("other.pem");
    Authority::create(Algorithm::P256).unwrap().save(&other).unwrap();
    let other = fs::read_to_string(&other).unwrap();
    let at = good.find("-----BEGIN CERTIFICATE").unwrap();
    let other_at = other.find("-----BEGIN CERTIFICATE").unwrap();
    for (text, fault) in [
        (format!("{good}{}", &other[other_at..]), "it holds 2 certificates instead of one"),
        (good[..at].to_owned(), "it holds 0 certificates instead of one"),
        (format!("{}{}", &good[..at], &other[other_at..]), "the key does not belong to the certificate"),
    ] {
        write(&path, &text);
        let said = Authority::load(&path).unwrap_err().to_string();
        assert!(said.contains(fault), "{said:?} lacks {fault:?}");
    }
    assert!(Authority::load(&path).unwrap_err().to_string().starts_with(&path.display().to_string()));
}
