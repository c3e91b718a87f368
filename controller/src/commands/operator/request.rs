//! `controller operator request`: a key of one's own that never travels, and a request to have it signed.

use std::path::PathBuf;

use certs::{Name, Pending};
use clap::Args;

use super::lines;
use crate::commands::init::Key;
use crate::commands::issue::file_to_carry;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;

/// Make your own key, and a request to have it signed.
#[derive(Debug, Args)]
pub(super) struct Request {
    /// What you want to be called.
    #[arg(long)]
    name: Name,
    /// The kind of key.
    #[arg(long, default_value = "ed25519")]
    key: Key,
    /// The file to write, or the folder to write it into [default: NAME.request].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Request {
    pub(super) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let home = &desk.home;
        home.create()?;
        let _locked = home.lock()?;
        home.demand_nobody()?;
        let file = file_to_carry(self.out.as_deref(), &format!("{}.request", self.name))?;
        let waiting = home.pending_file();
        if waiting.exists() {
            let what = format!("{} already holds a key that waits for its certificate", waiting.display());
            let hint = "take its certificate with `controller operator accept`, or remove that file and request anew";
            return Err(Trouble::Here(what, hint.to_owned()));
        }
        let pending = Pending::create(self.key.into(), Some(&self.name))?;
        // A request whose key is lost would be signed for nothing, so the key comes first.
        pending.save(&waiting)?;
        pending.request().save(&file)?;
        let key = pending.request().fingerprint().to_string();
        desk.print(&lines(&[("name", self.name.to_string()), ("key", key)]))?;
        desk.remark(&format!(
            "{} asks for a certificate, and holds no secret: the key stays here. Send it to whoever keeps the authority,\n\
             compare the key by telephone, and take what comes back:\n\
             \x20 controller operator accept {}.certificate",
            file.display(),
            self.name
        ));
        Ok(Exit::Answered)
    }
}
