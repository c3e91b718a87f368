//! `controller authority`: what becomes of the authority itself. A passphrase on its key, so that the file alone is not
//! enough; and another in its place.

mod rotate;

use clap::{Args, Subcommand};

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;

/// Put a passphrase on the authority's key, or another authority in its place.
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
    /// Put another authority in its place, machine by machine.
    Rotate(rotate::Rotate),
}

impl Authority {
    /// Changes the file, whole or not at all.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        match &self.step {
            Step::Protect => protect(desk)?,
            Step::Unprotect => unprotect(desk)?,
            Step::Rotate(rotate) => return rotate.run(desk).await,
        }
        Ok(Exit::Answered)
    }
}

fn protect(desk: &Desk) -> Result<(), Trouble> {
    let home = &desk.home;
    let _locked = home.lock()?;
    let file = home.authority_file();
    let authority = home.open_authority()?.ok_or_else(|| {
        let hint = "nothing was changed; take it away first with `controller authority unprotect`";
        Trouble::Here(
            format!("{}: the key in it carries a passphrase already", file.display()),
            hint.to_owned(),
        )
    })?;
    home.replace_authority(&authority, Some(&home.new_passphrase()?))?;
    desk.remark(
        "The authority's key carries the passphrase. Nobody can sign without it, and nobody can find it out for you.\n\
         Copies of the old file, in backups too, are still without: remove them.",
    );
    Ok(())
}

fn unprotect(desk: &Desk) -> Result<(), Trouble> {
    let home = &desk.home;
    let _locked = home.lock()?;
    let file = home.authority_file();
    if home.open_authority()?.is_some() {
        let what = format!("{}: the key in it carries no passphrase", file.display());
        return Err(Trouble::Here(what, "nothing was changed".to_owned()));
    }
    home.replace_authority(&home.authority()?.0, None)?;
    desk.remark("The authority's key carries no passphrase any more: whoever has the file can be anybody.");
    Ok(())
}
