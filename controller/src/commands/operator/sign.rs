//! `controller operator sign`: a certificate for the key of somebody who requested one.

use std::path::PathBuf;

use certs::{Grant, Identity, Name, Request};
use clap::Args;

use super::{Terms, lines, list, say_if_taken};
use crate::commands::issue::file_to_carry;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::registry::{How, Registry};

/// Sign what somebody requested.
#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The request that you were sent.
    #[arg(value_name = "FILE")]
    request: PathBuf,
    /// Whose request this must be.
    #[arg(long)]
    name: Option<Name>,
    #[command(flatten)]
    terms: Terms,
    /// The file to write, or the folder to write it into [default: NAME.certificate].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let request = Request::load(&self.request).map_err(|fault| {
            let hint = "give the file that `controller operator request` wrote, or have it sent again";
            Trouble::Here(fault.to_string(), hint.to_owned())
        })?;
        let name = self.name(&request)?;
        let file = file_to_carry(self.out.as_deref(), &format!("{name}.certificate"))?;
        let mut registry = Registry::open(&desk.home)?;
        let identity = Identity::controller(name.clone());
        say_if_taken(desk, &registry, &identity);
        let teams = self.terms.teams();
        let grant =
            Grant { identity: &identity, teams: &teams, addresses: &[], validity: self.terms.validity() };
        let signed = registry.sign(request.der(), &grant, How::Operator)?;
        desk.print(&lines(&[
            ("name", name.to_string()),
            ("teams", list(&teams)),
            ("key", request.fingerprint().to_string()),
            ("authority", registry.authority().fingerprint().to_string()),
        ]))?;
        signed.save(&file)?;
        desk.remark(&format!(
            "{} is signed, and holds no secret. Before you send it, compare both with {name}, by telephone: who sends\n\
             another's request gets another's name. Then, there:\n\
             \x20 controller operator accept {}",
            file.display(),
            file.file_name().unwrap_or(file.as_os_str()).display()
        ));
        Ok(Exit::Answered)
    }

    /// The name that the request proposes, which must be the one that is meant.
    fn name<'a>(&'a self, request: &'a Request) -> Result<&'a Name, Trouble> {
        let file = self.request.display();
        match (request.name(), &self.name) {
            (Some(theirs), Some(meant)) if theirs != meant => Err(Trouble::Here(
                format!("{file}: this is the request of `{theirs}`, and not of `{meant}`"),
                "leave --name away if that is right, or have it requested anew under the other name"
                    .to_owned(),
            )),
            (Some(name), _) | (None, Some(name)) => Ok(name),
            (None, None) => Err(Trouble::Here(
                format!("{file}: the request does not say a name that an operator can have"),
                "say whose it is with --name".to_owned(),
            )),
        }
    }
}
