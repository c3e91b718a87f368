//! Where certificates for machines are signed, one after the other, while the conversations with them go on side by side.

use std::cell::RefCell;
use std::time::Instant;

use certs::{Address, Fingerprint, Grant, Identity, Peer, Request, Signed, Validity};
use jiff::{SignedDuration, Timestamp};
use protocol::requests::{install, renew};
use serde::Serialize;

use crate::caller::Caller;
use crate::desk::Desk;
use crate::error::{Failure, Trouble};
use crate::hosts::Host;
use crate::output::human::plain;
use crate::output::{Cell, Column, Show};
use crate::registry::{How, Registry};

/// A desk with the authority on it. No other controller signs anything meanwhile.
pub(crate) struct Office<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) caller: Caller<'a>,
    pub(crate) registry: RefCell<Registry>,
}

/// What became of a machine that got a new certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Renewed {
    name: String,
    address: String,
    serial: String,
    certificate_ends: Timestamp,
    /// The fingerprints of authorities that it believes and this desk does not; nothing where its answer was lost.
    pub(crate) believes_besides: Option<Vec<String>>,
    took_seconds: f64,
}

impl Show for Renewed {
    const SCHEMA: &'static str = "rollcall.renew/1";
    const SAYS_WHOSE: bool = true;

    fn table(&self, _: &str) -> String {
        let Renewed { name, address, certificate_ends, believes_besides, .. } = self;
        let mut text = format!("{name} at {address} is renewed, until {certificate_ends:.0}\n");
        for besides in believes_besides.iter().flatten() {
            let besides = plain(besides);
            text += &format!(
                "{name} also believes an authority that this desk does not: {besides}\n  \
                 If nobody there knows it, run `agent reset` on that machine and adopt it anew.\n"
            );
        }
        text
    }

    fn columns() -> Vec<Column<Renewed>> {
        vec![
            Column::other("address", "address", |it| Cell::text(&it.address)),
            Column::other("until", "certificate_ends", |it| Cell::text(&it.certificate_ends.to_string())),
        ]
    }
}

impl<'a> Office<'a> {
    /// Takes the authority out.
    pub(crate) fn open(desk: &'a Desk) -> Result<Office<'a>, Trouble> {
        // Whoever is nobody here is told so before he is asked for a passphrase.
        desk.home.credentials()?;
        Office::with(desk, Registry::open(&desk.home)?)
    }

    /// With the authority that is out already.
    pub(crate) fn with(desk: &'a Desk, registry: Registry) -> Result<Office<'a>, Trouble> {
        Ok(Office { desk, caller: Caller::at(desk)?, registry: RefCell::new(registry) })
    }

    /// What goes to the machine: its certificate, and those of the authorities.
    pub(crate) fn sign(&self, request: &[u8], grant: &Grant<'_>, how: How) -> Result<Signed, Trouble> {
        self.registry.borrow_mut().sign(request, grant, how)
    }

    /// Has a machine make a new key, and gives it a certificate for that.
    pub(crate) async fn renew(&self, label: &str, life: SignedDuration) -> Result<Renewed, Trouble> {
        let began = Instant::now();
        let host = self.caller.resolve(label)?;
        let mut client = self.caller.greet(&host).await?;
        let identity = client.greeted().peer.identity.clone();
        let asked = client.ask(renew::Renew {}).await?;
        let request = Request::read(asked.der.to_vec().into())
            .map_err(|error| Failure::nonsense(&host, &error.to_string()))?;
        let addresses = self.addresses(&identity, &host);
        let validity = Validity::lasting(life);
        let grant = Grant { identity: &identity, teams: &[], addresses: &addresses, validity };
        let signed = self.sign(request.der(), &grant, How::Renew)?;
        let serial = Peer::read(&signed.certificate)?.serial;
        let certificates = signed.to_text().into_bytes().into();
        let told = client.ask(install::Install { certificates }).await;
        let believes_besides = match &told {
            Ok(installed) => Some(self.not_believed_here(&installed.authorities)?),
            Err(_) => None,
        };
        // The agent may have taken the certificate and the answer got lost: what counts is what it shows now.
        let host = Host { expected: Some(identity.name.clone()), ..host };
        let client = match (self.caller.greet(&host).await, told) {
            (Ok(client), _) if client.greeted().peer.serial == serial => client,
            (_, Err(failure)) => return Err(failure.into()),
            (Err(trouble), Ok(_)) => return Err(trouble),
            (Ok(client), Ok(_)) => return Err(Failure::not_shown(&host, &client.greeted().peer).into()),
        };
        let greeted = client.greeted();
        Ok(Renewed {
            name: identity.name.to_string(),
            address: greeted.reached.to_string(),
            serial: serial.to_string(),
            certificate_ends: greeted.peer.not_after,
            believes_besides,
            took_seconds: began.elapsed().as_secs_f64(),
        })
    }

    fn not_believed_here(&self, fingerprints: &[String]) -> Result<Vec<String>, Trouble> {
        let believed = self.registry.borrow().authority().believed();
        let ours = believed.iter().map(|authority| Ok(Fingerprint::of_certificate(authority)?.to_string()));
        let ours: Vec<String> = ours.collect::<Result<_, certs::Error>>()?;
        Ok(fingerprints.iter().filter(|theirs| !ours.contains(theirs)).cloned().collect())
    }

    /// Those of the certificate before, where it was signed here.
    fn addresses(&self, identity: &Identity, host: &Host) -> Vec<Address> {
        match self.registry.borrow().newest(identity) {
            Some(issued) => issued.addresses.clone(),
            None => host.endpoints.iter().map(|endpoint| endpoint.address.clone()).collect(),
        }
    }
}
