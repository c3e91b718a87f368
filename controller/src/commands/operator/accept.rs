//! `controller operator accept`: what the authority handed out becomes this home's identity.

use std::fs;
use std::path::PathBuf;

use certs::pending::check;
use certs::store::{Existing, Handed};
use certs::{Credentials, Error, Fingerprint, Pending, Role, Signed};
use clap::Args;

use super::{lines, list};
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::home::Home;

/// Take the identity or the certificate that you were sent.
#[derive(Debug, Args)]
pub(super) struct Accept {
    /// A bundle, or the certificate for your request.
    file: PathBuf,
}

impl Accept {
    pub(super) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let home = &desk.home;
        let credentials = match Handed::load(&self.file)? {
            Handed::Bundle(credentials) => {
                home.create()?;
                let _locked = home.lock()?;
                let credentials = self.install_bundle(home, credentials)?;
                desk.remark(&format!("Remove {}: it holds the same key.", self.file.display()));
                credentials
            }
            Handed::Certificate(signed) => {
                self.demand_waiting_key(home)?;
                let _locked = home.lock()?;
                self.install_certificate(home, signed)?
            }
        };
        let own = credentials.own();
        let authorities = credentials.authorities().iter().map(Fingerprint::of_certificate);
        let authorities: Vec<_> =
            authorities.map(|found| found.map(|it| it.to_string())).collect::<Result<_, _>>()?;
        desk.print(&lines(&[
            ("name", own.identity.name.to_string()),
            ("teams", list(&own.teams)),
            ("authority", authorities.join(", ")),
        ]))?;
        desk.remark(&format!(
            "{} now asks as {}, until {}. Compare the authority with whoever signed, by telephone: whatever it signed is\n\
             believed here. Then write the machines into {}, or ask by address:\n\
             \x20 controller info ADDRESS",
            home.path().display(),
            own.identity.name,
            own.not_after,
            home.hosts_file().display()
        ));
        Ok(Exit::Answered)
    }

    fn install_bundle(&self, home: &Home, credentials: Credentials) -> Result<Credentials, Trouble> {
        home.demand_nobody()?;
        let waiting = home.pending_file();
        if waiting.exists() {
            let what = format!(
                "{} holds a key that waits for its certificate, and this is another",
                waiting.display()
            );
            let hint = "take the certificate that was signed for it, or remove that file first";
            return Err(Trouble::Here(what, hint.to_owned()));
        }
        check(&credentials, Role::Controller).map_err(|fault| self.refused(&fault))?;
        credentials.save(&home.identity_file(), Existing::Keep)?;
        Ok(credentials)
    }

    fn install_certificate(&self, home: &Home, signed: Signed) -> Result<Credentials, Trouble> {
        home.demand_nobody()?;
        let pending = Pending::load(&home.pending_file())?;
        let credentials = pending.complete(signed, Role::Controller).map_err(|fault| self.refused(&fault))?;
        credentials.save(&home.identity_file(), Existing::Keep)?;
        fs::remove_file(home.pending_file()).map_err(|error| {
            let what = format!("{} cannot be removed: {error}", home.pending_file().display());
            Trouble::Here(what, "remove it yourself: the key in it is now in identity.pem".to_owned())
        })?;
        Ok(credentials)
    }

    fn demand_waiting_key(&self, home: &Home) -> Result<(), Trouble> {
        if home.pending_file().exists() || home.identity_file().exists() {
            return Ok(());
        }
        let what =
            format!("{}: no key waits for a certificate in {}", self.file.display(), home.path().display());
        let hint = "run this where `controller operator request` was run, or name that home with --home";
        Err(Trouble::Here(what, hint.to_owned()))
    }

    fn refused(&self, fault: &Error) -> Trouble {
        Trouble::Here(format!("{}: {fault}", self.file.display()), String::new())
    }
}
