//! Where certificates for machines are signed, one after the other, while the conversations with them go on side by side.

use std::cell::RefCell;

use certs::{Credentials, Grant, Signed};

use crate::client::Client;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::hosts::Host;
use crate::registry::{How, Registry};

/// A desk with the authority on it. No other controller signs anything meanwhile.
pub(crate) struct Office<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) credentials: Credentials,
    pub(crate) registry: RefCell<Registry>,
}

impl<'a> Office<'a> {
    /// Takes the authority out.
    pub(crate) fn open(desk: &'a Desk) -> Result<Office<'a>, Trouble> {
        let credentials = desk.home.credentials()?;
        Ok(Office { desk, credentials, registry: RefCell::new(Registry::open(&desk.home)?) })
    }

    /// Shakes hands as with any agent of one's own.
    pub(crate) async fn greet(&self, host: &Host) -> Result<Client, Trouble> {
        let mut client = self.desk.approach(host, &self.credentials)?.walk().await?;
        self.desk.carry(&mut client, &self.credentials).await?;
        Ok(client)
    }

    /// What goes to the machine: its certificate, and that of the authority.
    pub(crate) fn sign(&self, request: &[u8], grant: &Grant<'_>, how: How) -> Result<Signed, Trouble> {
        let mut registry = self.registry.borrow_mut();
        let certificate = registry.sign(request, grant, how)?;
        Ok(Signed { certificate, authorities: vec![registry.authority().clone()] })
    }
}
