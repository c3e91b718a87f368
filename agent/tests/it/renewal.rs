//! What an agent takes as its new certificate, and what it does not.

use agent::config::{Config, Limits};
use certs::store::Existing;
use certs::{Algorithm, Authority, Credentials, Grant, Identity, Signed, Validity};
use protocol::requests::info::{Info, Section};
use protocol::requests::install::{Install, Installed};
use protocol::requests::renew::Renew;
use protocol::{Kind, Refusal};
use tempfile::TempDir;

use crate::site::{Site, Wire, agent_credentials, ask, config, presented, refusal, send};

/// An agent `web-1` whose identity is in a file.
async fn site() -> (Site, TempDir, Config) {
    let site = Site::new(Limits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web-1.bundle");
    agent_credentials(&site.authority, "web-1").save(&file, Existing::Keep).unwrap();
    let config = config(&["--identity", file.to_str().unwrap()]);
    site.reload.apply(&config).unwrap();
    (site, folder, config)
}

fn sign(by: &Authority, request: &[u8], identity: &str) -> Install {
    let identity: Identity = identity.parse().unwrap();
    let addresses = ["127.0.0.1".parse().unwrap()];
    let grant = Grant { identity: &identity, teams: &[], addresses: &addresses, validity: Validity::days(9) };
    let signed = by.sign(request, &grant).unwrap();
    Install { certificates: signed.to_text().into_bytes().into() }
}

async fn good(wire: &mut Wire, site: &Site, request: &[u8]) -> Installed {
    ask(wire, 2, sign(&site.authority, request, "rollcall://agent/web-1")).await
}

async fn refused(wire: &mut Wire, install: Install) -> Refusal {
    send(wire, 2, install).await;
    let (_, refused) = refusal(wire).await;
    assert_eq!(refused.kind, Kind::Failed);
    assert!(refused.message.starts_with("the certificate was not renewed: ") && !refused.hint.is_empty());
    refused
}

fn in_file(config: &Config) -> Credentials {
    Credentials::load(&config.identity).unwrap()
}

#[tokio::test]
async fn only_the_authority_makes_an_agent_change_its_certificate() {
    let (site, _folder, config) = site().await;
    let serial = in_file(&config).own().serial.clone();
    let other = Authority::create(Algorithm::Ed25519).unwrap();
    let mut wire = site.connect("mallory").await;
    for (by, identity, said) in [
        (&site.authority, "rollcall://agent/web-2", "it is for rollcall://agent/web-2, and this is"),
        (&site.authority, "rollcall://controller/web-1", "it is for rollcall://controller/web-1"),
        (&other, "rollcall://agent/web-1", "no authority that is trusted here signed it"),
    ] {
        let request = ask(&mut wire, 1, Renew {}).await.der;
        let refused = refused(&mut wire, sign(by, &request, identity)).await;
        assert!(refused.message.contains(said), "{refused:?}");
    }
    let mine = agent_credentials(&site.authority, "web-1");
    ask(&mut wire, 1, Renew {}).await;
    let certificate = mine.into_key_and_certificate().1;
    let papers = Signed { certificate, authorities: Vec::new(), vouchers: Vec::new() };
    let of_another_key = Install { certificates: papers.to_text().into_bytes().into() };
    assert!(refused(&mut wire, of_another_key).await.message.contains("it is for another key"));
    ask(&mut wire, 1, Renew {}).await;
    let rubbish = Install { certificates: "rubbish".into() };
    assert!(refused(&mut wire, rubbish).await.message.contains("what the authority sent cannot be used"));
    // A key is good for one certificate, even a wrong one.
    let nothing = refused(&mut wire, Install::default()).await;
    assert!(nothing.message.ends_with("no key waits here for a certificate from mallory"), "{nothing:?}");
    assert_eq!(in_file(&config).own().serial, serial);
    assert_eq!(presented(&site).await, "web-1");
}

#[tokio::test]
async fn two_controllers_at_once_do_not_disturb_each_other_nor_does_a_reload() {
    let (site, _folder, config) = site().await;
    let (mut alice, mut bob) = (site.connect("alice").await, site.connect("bob").await);
    let for_alice = ask(&mut alice, 1, Renew {}).await.der;
    let for_bob = ask(&mut bob, 1, Renew {}).await.der;
    site.reload.apply(&config).unwrap();
    let installed = good(&mut alice, &site, &for_alice).await;
    let of_alice = in_file(&config).own().clone();
    assert_eq!((installed.name.as_str(), installed.certificate_ends), ("web-1", of_alice.not_after));
    assert_eq!(site.reload.apply(&config).unwrap(), of_alice);
    good(&mut bob, &site, &for_bob).await;
    assert_ne!(in_file(&config).own().serial, of_alice.serial);
    let info = ask(&mut alice, 3, Info { sections: vec![Section::Agent] }).await.agent.unwrap();
    assert_eq!(info.certificate_ends, in_file(&config).own().not_after);
}

#[tokio::test]
async fn what_the_owner_does_to_the_file_meanwhile_is_not_undone() {
    let (site, _folder, config) = site().await;
    let mut wire = site.connect("alice").await;
    let request = ask(&mut wire, 1, Renew {}).await.der;
    agent_credentials(&site.authority, "web-2").save(&config.identity, Existing::Replace).unwrap();
    let install = sign(&site.authority, &request, "rollcall://agent/web-1");
    assert!(refused(&mut wire, install).await.message.contains("this is rollcall://agent/web-2"));
    assert_eq!(in_file(&config).own().identity.name.as_str(), "web-2");

    std::fs::remove_file(&config.identity).unwrap();
    send(&mut wire, 1, Renew {}).await;
    assert!(refusal(&mut wire).await.1.message.contains("web-1.bundle: No such file"));
    assert!(!config.identity.exists());
}

#[tokio::test]
async fn behind_a_link_it_is_the_file_that_is_renewed_with_a_key_of_the_same_kind() {
    let (site, folder, _) = site().await;
    let identity = Identity::agent("web-1".parse().unwrap());
    let addresses = ["127.0.0.1".parse().unwrap()];
    let grant = Grant { identity: &identity, teams: &[], addresses: &addresses, validity: Validity::days(1) };
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("p256.bundle");
    site.authority.issue(Algorithm::P256, &grant).unwrap().save(&file, Existing::Keep).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let config = config(&["--identity", link.to_str().unwrap()]);
    let before = site.reload.apply(&config).unwrap();

    let mut wire = site.connect("alice").await;
    let request = ask(&mut wire, 1, Renew {}).await.der;
    good(&mut wire, &site, &request).await;
    assert!(link.is_symlink());
    let after = Credentials::load(&file).unwrap();
    assert_ne!(after.own().serial, before.serial);
    assert_eq!(after.algorithm(), Algorithm::P256);
    assert_eq!(presented(&site).await, "web-1");
}
