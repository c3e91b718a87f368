//! Who was ever given a certificate: everything that signs one in the controller goes through here, and leaves a line in
//! `certificates.jsonl`.

mod issued;

use std::collections::{BTreeMap, BTreeSet};

use certs::{
    Algorithm, Authority, Credentials, Grant, Identity, Name, Passphrase, Peer, Revocations, Role, Serial,
    Signed,
};
use jiff::Timestamp;

use crate::error::Trouble;
use crate::home::{Home, Lock};
use crate::lines::{self, Lines, Unended};

pub use issued::{How, Issued};

/// The authority together with the list of all that it signed. No other controller changes the home meanwhile.
#[derive(Debug)]
pub struct Registry {
    home: Home,
    authority: Authority,
    /// What its key carries.
    passphrase: Option<Passphrase>,
    issued: Vec<Issued>,
    _locked: Lock,
}

impl Registry {
    /// Takes the home's lock, and reads authority and list.
    ///
    /// # Errors
    /// There is no home or no authority in it, or a file is damaged.
    pub fn open(home: &Home) -> Result<Registry, Trouble> {
        Registry::under(home.lock()?, home)
    }

    /// The same for whoever holds the lock already.
    ///
    /// # Errors
    /// There is no authority in the home, or a file is damaged.
    pub fn under(locked: Lock, home: &Home) -> Result<Registry, Trouble> {
        let (authority, passphrase) = home.authority()?;
        let issued = list(home)?.mended()?;
        Ok(Registry { home: home.clone(), authority, passphrase, issued, _locked: locked })
    }

    /// From now on it is another authority, or the same in another stage.
    ///
    /// # Errors
    /// It could not be made, or not be written: then the old one is still there.
    pub fn with_authority(
        self,
        change: impl FnOnce(Authority) -> Result<Authority, certs::Error>,
    ) -> Result<Registry, Trouble> {
        let authority = change(self.authority)?;
        self.home.replace_authority(&authority, self.passphrase.as_ref())?;
        Ok(Registry { authority, ..self })
    }

    /// Throws the key of the authority before away. What it has signed is signed again before that, by the one that is
    /// believed anyway; and these are revoked too.
    ///
    /// # Errors
    /// It cannot be signed or written. Then both are still believed.
    pub fn alone(self, known: &Revocations, given_up: &[Serial]) -> Result<Registry, Trouble> {
        let registry = Registry { authority: self.authority.alone(), ..self };
        if known.number() > 0 || !given_up.is_empty() {
            registry.revoke(known, given_up)?;
        }
        registry.home.replace_authority(&registry.authority, registry.passphrase.as_ref())?;
        Ok(registry)
    }

    /// All that was ever signed, in that order.
    pub fn certificates(&self) -> &[Issued] {
        &self.issued
    }

    /// The newest certificate of this role and name that has not ended.
    pub fn current(&self, identity: &Identity) -> Option<&Issued> {
        let now = Timestamp::now();
        let of_it = |issued: &&Issued| issued.peer.identity == *identity && issued.peer.not_after > now;
        self.issued.iter().rev().find(of_it)
    }

    /// The newest certificate of this role and name, whether it has ended or not.
    pub fn newest(&self, identity: &Identity) -> Option<&Issued> {
        self.issued.iter().rfind(|issued| issued.peer.identity == *identity)
    }

    /// The newest certificate of each agent, by name.
    pub fn newest_of_agents(&self) -> impl Iterator<Item = &Issued> {
        let of_agents = self.issued.iter().filter(|issued| issued.peer.identity.role == Role::Agent);
        let newest: BTreeMap<&Name, &Issued> =
            of_agents.map(|issued| (&issued.peer.identity.name, issued)).collect();
        newest.into_values()
    }

    /// Every certificate that has not ended and is not void.
    pub fn live<'a>(&'a self, known: &'a Revocations) -> impl Iterator<Item = &'a Issued> {
        let now = Timestamp::now();
        self.issued
            .iter()
            .filter(move |issued| issued.peer.not_after > now && !known.contains(&issued.peer.serial))
    }

    /// The same of one role and name.
    pub fn live_of(&self, identity: &Identity, known: &Revocations) -> Vec<Serial> {
        let of_it = self.live(known).filter(|issued| issued.peer.identity == *identity);
        of_it.map(|issued| issued.peer.serial.clone()).collect()
    }

    /// The authority that signs here.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether the authority that signs here now has signed a certificate.
    pub fn has_signed(&self, issued: &Issued) -> bool {
        issued.authority == Some(self.authority.fingerprint())
    }

    /// Makes a key and signs a certificate for it. Once it is handed out, it is in the list.
    ///
    /// # Errors
    /// It cannot be signed, or the list cannot be written.
    pub fn issue(
        &mut self,
        algorithm: Algorithm,
        grant: &Grant<'_>,
        how: How,
    ) -> Result<Credentials, Trouble> {
        let credentials = self.authority.issue(algorithm, grant)?;
        self.note(credentials.own().clone(), grant, how)?;
        Ok(credentials)
    }

    /// Signs a certificate for the key in a request. Once it is handed out, it is in the list.
    ///
    /// # Errors
    /// It cannot be signed, or the list cannot be written.
    pub fn sign(&mut self, request: &[u8], grant: &Grant<'_>, how: How) -> Result<Signed, Trouble> {
        let signed = self.authority.sign(request, grant)?;
        self.note(Peer::read(&signed.certificate)?, grant, how)?;
        Ok(signed)
    }

    /// Signs a list on which these certificates stand too, besides those that `known` has and that have not ended. The
    /// list is in force here when this returns.
    ///
    /// # Errors
    /// It cannot be signed or kept.
    pub fn revoke(&self, known: &Revocations, serials: &[Serial]) -> Result<(), Trouble> {
        let now = Timestamp::now();
        let ended = |serial: &Serial| {
            self.issued.iter().any(|issued| issued.peer.serial == *serial && issued.peer.not_after < now)
        };
        let mut all = known.serials();
        all.retain(|serial| !ended(serial));
        all.extend(serials.iter().cloned());
        let list = self.authority.revoke(known.number(), &all)?;
        known.take(list)?;
        Ok(())
    }

    fn note(&mut self, peer: Peer, grant: &Grant<'_>, how: How) -> Result<(), Trouble> {
        let issued = Issued {
            peer,
            addresses: grant.addresses.to_vec(),
            signed_at: Timestamp::now(),
            how,
            authority: Some(self.authority.fingerprint()),
        };
        lines::append(&self.home.certificates_file(), &issued)?;
        self.issued.push(issued);
        Ok(())
    }
}

/// All that was ever signed, for those who only look: neither the lock nor the authority's key is needed.
///
/// # Errors
/// There is no authority in this home, or the list is damaged.
pub fn read(home: &Home) -> Result<Vec<Issued>, Trouble> {
    home.demand_authority()?;
    Ok(list(home)?.values)
}

/// The machines whose newest certificate is void; none where the authority is kept elsewhere.
///
/// # Errors
/// The list is damaged.
pub fn void_machines(home: &Home, known: &Revocations) -> Result<BTreeSet<Name>, Trouble> {
    if !home.authority_file().exists() {
        return Ok(BTreeSet::new());
    }
    let newest: BTreeMap<Name, bool> = read(home)?
        .into_iter()
        .filter(|issued| issued.peer.identity.role == Role::Agent)
        .map(|issued| (issued.peer.identity.name, known.contains(&issued.peer.serial)))
        .collect();
    Ok(newest.into_iter().filter(|(_, void)| *void).map(|(name, _)| name).collect())
}

fn list(home: &Home) -> Result<Lines<Issued>, Trouble> {
    // A certificate is handed out only once its line is on the disk with its end. Half a line is one that nobody ever
    // got, and a whole one without its end comes from somebody's editor.
    let file = home.certificates_file();
    Lines::read(&file, Unended::KeptIfWhole, |damage| {
        Trouble::Here(
            format!("{}: {damage}", file.display()),
            "nothing was changed; mend that line, or take the file from a backup".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use certs::Validity;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    fn home() -> (TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&folder.path().join("home")));
        home.create().unwrap();
        Authority::create(Algorithm::Ed25519).unwrap().save(&home.authority_file()).unwrap();
        (folder, home)
    }

    fn issue(registry: &mut Registry, name: &str) -> Credentials {
        let identity = Identity::agent(name.parse().unwrap());
        let addresses = ["192.0.2.7".parse().unwrap(), "web.example".parse().unwrap()];
        let grant =
            Grant { identity: &identity, teams: &[], addresses: &addresses, validity: Validity::days(1) };
        registry.issue(Algorithm::Ed25519, &grant, How::Issue).unwrap()
    }

    fn names(issued: &[Issued]) -> Vec<&str> {
        issued.iter().map(|issued| issued.peer.identity.name.as_str()).collect()
    }

    #[test]
    fn what_was_handed_out_is_on_the_list_and_read_back_the_same() {
        let (_folder, home) = home();
        let mut registry = Registry::open(&home).unwrap();
        let credentials = issue(&mut registry, "web-1");
        issue(&mut registry, "web-2");
        let before = registry.certificates().to_vec();
        assert_eq!(before[0].peer, *credentials.own());
        drop(registry);
        assert_eq!(read(&home).unwrap(), before);
        assert_eq!(Registry::open(&home).unwrap().certificates(), before);
        let mode = fs::metadata(home.certificates_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_noted_is_not_handed_out() {
        let (_folder, home) = home();
        let mut registry = Registry::open(&home).unwrap();
        fs::create_dir(home.certificates_file()).unwrap();
        let identity = Identity::agent("web-1".parse().unwrap());
        let grant = Grant { identity: &identity, teams: &[], addresses: &[], validity: Validity::days(1) };
        assert!(registry.issue(Algorithm::Ed25519, &grant, How::Issue).is_err());
        assert_eq!(registry.certificates(), []);
    }

    #[test]
    fn a_crash_anywhere_in_an_append_loses_nothing_else() {
        let (_folder, home) = home();
        let mut registry = Registry::open(&home).unwrap();
        issue(&mut registry, "web-1");
        let first = fs::read(home.certificates_file()).unwrap().len();
        issue(&mut registry, "web-2");
        drop(registry);
        let whole = fs::read(home.certificates_file()).unwrap();
        for cut in first..whole.len() {
            fs::write(home.certificates_file(), &whole[..cut]).unwrap();
            let kept = if cut == whole.len() - 1 { &["web-1", "web-2"][..] } else { &["web-1"] };
            assert_eq!(names(&read(&home).unwrap()), kept);
            let mut registry = Registry::open(&home).unwrap();
            issue(&mut registry, "web-3");
            assert_eq!(names(&read(&home).unwrap()), [kept, &["web-3"]].concat());
        }
    }

    #[test]
    fn a_damaged_line_is_named_and_nothing_is_changed() {
        let (_folder, home) = home();
        let mut registry = Registry::open(&home).unwrap();
        for name in ["web-1", "web-2", "web-3"] {
            issue(&mut registry, name);
        }
        drop(registry);
        let whole = fs::read_to_string(home.certificates_file()).unwrap();
        for (good, bad) in [("agent/web-2", "agent/Web-2"), ("\"how\":\"issue\"", "\"ho"), ("{", "\u{0}")] {
            let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
            lines[1] = lines[1].replacen(good, bad, 1);
            let text = lines.join("\n") + "\n";
            fs::write(home.certificates_file(), &text).unwrap();
            for refused in [Registry::open(&home).err(), read(&home).err()] {
                let said = refused.unwrap().text();
                assert!(said.contains("certificates.jsonl: line 2 is damaged: "), "{said}");
            }
            assert_eq!(fs::read_to_string(home.certificates_file()).unwrap(), text);
        }
    }
}
