//! `controller authority`: a passphrase on the authority's key, so that the file alone is not enough.

use clap::{Args, Subcommand};

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::home::Home;

/// Put a passphrase on the authority's key, or take it away.
#[derive(Debug, Args)]
pub struct Authority {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Put a passphrase on the authority's key: whatever signs asks for it from then on.
    Protect,
    /// Take the passphrase away.
    Unprotect,
}

impl Authority {
    /// Changes the file, whole or not at all.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let home = &desk.home;
        let _locked = home.lock()?;
        match self.step {
            Step::Protect => protect(home)?,
            Step::Unprotect => unprotect(home)?,
        }
        desk.remark(match self.step {
            Step::Protect => {
                "The authority's key carries the passphrase. Nobody can sign without it, and nobody can find it out for you.\n\
                 Copies of the old file, in backups too, are still without: remove them."
            }
            Step::Unprotect => "The authority's key carries no passphrase any more: whoever has the file can be anybody.",
        });
        Ok(Exit::Answered)
    }
}

fn protect(home: &Home) -> Result<(), Trouble> {
    let file = home.authority_file();
    let authority = home.open_authority()?.ok_or_else(|| {
        let hint = "nothing was changed; take it away first with `controller authority unprotect`";
        Trouble::Here(
            format!("{}: the key in it carries a passphrase already", file.display()),
            hint.to_owned(),
        )
    })?;
    Ok(authority.save_locked(&file, &home.new_passphrase()?)?)
}

fn unprotect(home: &Home) -> Result<(), Trouble> {
    let file = home.authority_file();
    if home.open_authority()?.is_some() {
        let what = format!("{}: the key in it carries no passphrase", file.display());
        return Err(Trouble::Here(what, "nothing was changed".to_owned()));
    }
    Ok(home.authority()?.save_unlocked(&file)?)
}
