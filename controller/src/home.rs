//! The controller's home: which file is where, and what to do when one is missing or damaged.

mod lock;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use certs::store::{self, Existing};
use certs::{Authority, Credentials, Name, Passphrase, Revocations, Stage};
use rustls_pki_types::CertificateDer;

pub use self::lock::Lock;
use crate::error::Trouble;
use crate::hosts::{Endpoint, Inventory, Unmeant};
use crate::passphrase::Source;

/// A hundred thousand machines fit.
const MAX_HOSTS_BYTES: u64 = 16 * 1024 * 1024;

/// A folder that only its owner can enter.
#[derive(Debug, Clone)]
pub struct Home {
    path: PathBuf,
    passphrase: Source,
}

impl Home {
    /// The one that was named, or the usual one.
    pub fn locate(named: Option<&Path>) -> Home {
        let usual = || {
            let absolute =
                |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            let config =
                absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
            config.unwrap_or_else(|| PathBuf::from(".")).join("rollcall")
        };
        Home { path: named.map_or_else(usual, Path::to_owned), passphrase: Source::default() }
    }

    /// The same home, with the passphrase of its authority to be had from there.
    #[must_use]
    pub fn with_passphrase_from(self, passphrase: Source) -> Home {
        Home { passphrase, ..self }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The authority's key and certificate.
    pub fn authority_file(&self) -> PathBuf {
        self.path.join("authority.pem")
    }

    /// The controller's own identity.
    pub fn identity_file(&self) -> PathBuf {
        self.path.join("identity.pem")
    }

    /// The machines that are known by name.
    pub fn hosts_file(&self) -> PathBuf {
        self.path.join("hosts.toml")
    }

    /// A key of one's own whose certificate has not come yet.
    pub fn pending_file(&self) -> PathBuf {
        self.path.join("pending.pem")
    }

    /// All that the authority ever signed.
    pub fn certificates_file(&self) -> PathBuf {
        self.path.join("certificates.jsonl")
    }

    /// The certificates that are void.
    pub fn revocations_file(&self) -> PathBuf {
        self.path.join("revoked.pem")
    }

    /// Which machines have changed over to a new authority, while it takes the place of another.
    pub fn rotation_file(&self) -> PathBuf {
        self.path.join("rotation.jsonl")
    }

    /// What machines offer, for completion.
    pub fn offers_file(&self) -> PathBuf {
        self.path.join("offers.json")
    }

    /// Which checks, for which machines.
    pub fn checks_file(&self) -> PathBuf {
        self.path.join("checks.toml")
    }

    /// Who answered the last run over many hosts.
    pub fn last_file(&self) -> PathBuf {
        self.path.join("last.json")
    }

    /// What agents' audit logs said last.
    pub fn receipts_folder(&self) -> PathBuf {
        self.path.join("receipts")
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// It cannot be made, or others could write into it.
    pub fn create(&self) -> Result<(), Trouble> {
        self.demand_path()?;
        Ok(store::private_folder(&self.path)?)
    }

    fn demand_path(&self) -> Result<(), Trouble> {
        if self.path.as_os_str().is_empty() {
            let what = "neither HOME nor XDG_CONFIG_HOME says where your files are".to_owned();
            return Err(Trouble::Here(what, "name a home with --home".to_owned()));
        }
        Ok(())
    }

    /// Who this controller is.
    ///
    /// # Errors
    /// There is no home yet, or it is damaged.
    pub fn credentials(&self) -> Result<Credentials, Trouble> {
        let credentials = self.check().and_then(|()| Credentials::load(&self.identity_file()));
        let credentials = credentials.map_err(|error| self.trouble(error))?;
        let revocations = self.revocations(credentials.authorities())?;
        Ok(credentials.with_revocations(Arc::new(revocations)))
    }

    /// What is known to be void.
    ///
    /// # Errors
    /// The list is damaged, or of none of these authorities: who is revoked would be believed again.
    pub fn revocations(&self, authorities: &[CertificateDer<'static>]) -> Result<Revocations, Trouble> {
        Revocations::kept_in(&self.revocations_file(), authorities).map_err(|error| {
            let hint =
                "take the file from a backup, or remove it and fetch the list again: controller sync HOST";
            Trouble::Here(error.to_string(), hint.to_owned())
        })
    }

    /// What is known to be void, as the authority in this home says; its key is not needed.
    ///
    /// # Errors
    /// There is no authority in this home, or the list is damaged.
    pub fn known_void(&self) -> Result<Revocations, Trouble> {
        self.revocations(&self.believed()?.0)
    }

    /// The authorities that are to be believed, and how far one has taken the place of another; their keys are not needed.
    ///
    /// # Errors
    /// There is no authority in this home, or its file is damaged.
    pub fn believed(&self) -> Result<(Vec<CertificateDer<'static>>, Stage), Trouble> {
        let believed = self.check().and_then(|()| Authority::believed_in(&self.authority_file()));
        believed.map_err(|error| self.trouble(error))
    }

    /// Who may sign in this fleet. Asks for the passphrase of its key, where it carries one, and returns that too.
    ///
    /// # Errors
    /// There is no home yet, it is damaged, the authority is kept elsewhere, or the passphrase is not the right one.
    pub fn authority(&self) -> Result<(Authority, Option<Passphrase>), Trouble> {
        if let Some(authority) = self.open_authority()? {
            return Ok((authority, None));
        }
        let passphrase = self.passphrase.ask(&self.whose_passphrase())?;
        let authority =
            Authority::unlock(&self.authority_file(), &passphrase).map_err(|error| self.trouble(error))?;
        Ok((authority, Some(passphrase)))
    }

    /// Writes the authority in place of the one that is there, with this passphrase on its keys.
    ///
    /// # Errors
    /// The file cannot be written; then the old one is still there.
    pub fn replace_authority(
        &self,
        authority: &Authority,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), Trouble> {
        Ok(authority.replace(&self.authority_file(), passphrase)?)
    }

    /// Who may sign in this fleet, or nobody where its key carries a passphrase.
    ///
    /// # Errors
    /// There is no home yet, it is damaged, or the authority is kept elsewhere.
    pub fn open_authority(&self) -> Result<Option<Authority>, Trouble> {
        match self.check().and_then(|()| Authority::load(&self.authority_file())) {
            Ok(authority) => Ok(Some(authority)),
            Err(certs::Error::Protected(_)) => Ok(None),
            Err(error) => Err(self.trouble(error)),
        }
    }

    /// Asks for a passphrase that the authority's key is to carry.
    ///
    /// # Errors
    /// There is nobody to ask, or what was given is none.
    pub fn new_passphrase(&self) -> Result<Passphrase, Trouble> {
        self.passphrase.ask_new(&self.whose_passphrase())
    }

    fn whose_passphrase(&self) -> String {
        format!("the authority in {}", self.path.display())
    }

    /// Demands that the authority is kept in this home, without touching its key.
    ///
    /// # Errors
    /// There is no home yet, or the authority is kept elsewhere.
    pub fn demand_authority(&self) -> Result<(), Trouble> {
        let path = self.authority_file();
        let found = self.check().and_then(|()| match fs::metadata(&path) {
            Ok(_) => Ok(()),
            Err(source) => Err(certs::Error::Io { path, doing: "look at", source }),
        });
        found.map_err(|error| self.trouble(error))
    }

    /// The machines that are known by name.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn inventory(&self) -> Result<Inventory, Trouble> {
        let file = self.hosts_file();
        let damaged = |fault: String| self.damaged_hosts(&fault);
        match fs::metadata(&file) {
            Ok(found) if !found.is_file() => return Err(damaged("this is not a file".to_owned())),
            Ok(found) if found.len() > MAX_HOSTS_BYTES => {
                return Err(damaged("this is far larger than any list of machines".to_owned()));
            }
            _ => {}
        }
        match fs::read_to_string(&file) {
            // What is added ends its lines so, and a file has one way to end them.
            Ok(text) if text.contains('\r') => Inventory::parse(text.replace("\r\n", "\n")).map_err(damaged),
            Ok(text) => Inventory::parse(text).map_err(damaged),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Inventory::default()),
            Err(error) => Err(damaged(format!("cannot be read: {error}"))),
        }
    }

    /// The machines that are known by name, and one more.
    ///
    /// # Errors
    /// The file is damaged, or the machine is known at other addresses: `hint` says what to do then.
    pub fn inventory_with(
        &self,
        name: &Name,
        addresses: &[Endpoint],
        hint: &str,
    ) -> Result<Inventory, Trouble> {
        let inventory = self.inventory()?;
        inventory.machine(name).map_err(|fault| self.damaged_hosts(&fault))?;
        let more = inventory.with(name, addresses);
        more.map_err(|fault| Trouble::Here(fault, format!("{hint} {}", self.hosts_file().display())))
    }

    /// What is said of a text that means no host.
    pub(crate) fn unmeant(&self, unmeant: Unmeant) -> Trouble {
        match unmeant {
            Unmeant::Slip(fault) => self.damaged_hosts(&fault),
            Unmeant::Text(fault) => Trouble::Here(fault, String::new()),
        }
    }

    /// What is said of a slip in the list of machines.
    pub(crate) fn damaged_hosts(&self, fault: &str) -> Trouble {
        let what = format!("{}: {fault}", self.hosts_file().display());
        Trouble::Here(what, "mend the file; it is plain TOML".to_owned())
    }

    /// Writes the machines that are known by name.
    ///
    /// # Errors
    /// The file cannot be written; then the old one is still there.
    pub fn save_inventory(&self, inventory: &Inventory) -> Result<(), Trouble> {
        let file = self.hosts_file();
        // Who keeps it elsewhere has a link here.
        let target = match fs::canonicalize(&file) {
            Ok(target) => target,
            Err(error) if file.is_symlink() => {
                let what = format!("{} is a link, and leads nowhere: {error}", file.display());
                return Err(Trouble::Here(
                    what,
                    "nothing is changed; mend the link, or remove it".to_owned(),
                ));
            }
            Err(_) => file.clone(),
        };
        Home::replace(&target, inventory.text().as_bytes())
    }

    /// Writes a file of a home anew, all at once.
    ///
    /// # Errors
    /// It cannot be written; then the old one is still there.
    pub(crate) fn replace(file: &Path, text: &[u8]) -> Result<(), Trouble> {
        store::write_secret(file, text, Existing::Replace).map_err(|error| match error {
            // Which step it was, and the name of a file that is there for an instant, help nobody.
            certs::Error::Io { source, .. } => {
                let what = format!("{} cannot be written: {}", file.display(), source.kind());
                let hint = "it is as it was; look at the rights on its folder and the room on its disk";
                Trouble::Here(what, hint.to_owned())
            }
            error => error.into(),
        })
    }

    /// Demands that there is no identity in this home that a new one would take the place of.
    ///
    /// # Errors
    /// There is one.
    pub fn demand_nobody(&self) -> Result<(), Trouble> {
        if !self.identity_file().exists() {
            return Ok(());
        }
        let what = format!("{} already holds an identity", self.path.display());
        let hint = match self.authority_file().exists() {
            true => "go on with `controller issue`, or, to renew it, move identity.pem away first",
            false => {
                "to renew it, move identity.pem away first and ask again with `controller operator request`"
            }
        };
        Err(Trouble::Here(what, format!("nothing was changed; {hint}")))
    }

    fn check(&self) -> Result<(), certs::Error> {
        store::check_folder(&self.path)
    }

    fn trouble(&self, error: certs::Error) -> Trouble {
        if let Err(nowhere) = self.demand_path() {
            return nowhere;
        }
        if error.is_not_found() && !self.identity_file().exists() {
            if self.pending_file().exists() {
                let what = format!("your key in {} still waits for its certificate", self.path.display());
                return Trouble::Here(
                    what,
                    "take it with `controller operator accept`, when it comes".to_owned(),
                );
            }
            let what = format!("there is no identity of yours in {}", self.path.display());
            return Trouble::Here(
                what,
                "begin with `controller adopt HOST` or `controller init`; where somebody else keeps the authority, with \
                 `controller operator request`; or name another home with --home"
                    .to_owned(),
            );
        }
        match error {
            certs::Error::Io { path, source, .. }
                if source.kind() == ErrorKind::NotFound && path == self.authority_file() =>
            {
                let what = format!("the authority is kept elsewhere, and not in {}", self.path.display());
                let hint = "run this where it is kept, or name its home with --home";
                Trouble::Here(what, hint.to_owned())
            }
            error @ certs::Error::WrongPassphrase(_) => {
                let hint =
                    "nothing was changed; run it again, and look at the keyboard's layout and its capitals";
                Trouble::Here(error.to_string(), hint.to_owned())
            }
            error => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_cannot_be_written_is_named_and_not_a_file_of_an_instant() {
        // Not even root can make a file there.
        let trouble =
            Home::locate(Some(Path::new("/sys"))).save_inventory(&Inventory::default()).unwrap_err();
        let said = trouble.text();
        assert!(said.starts_with("controller: /sys/hosts.toml cannot be written: "), "{said}");
        assert!(said.contains("it is as it was") && !said.contains("os error"), "{said}");
    }
}
