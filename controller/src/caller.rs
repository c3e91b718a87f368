//! Whoever asks: an identity, what is void, and the machines that are known. Read once, for one conversation or ten thousand.

use std::cell::RefCell;
use std::collections::BTreeSet;

use certs::Credentials;
use certs::tls::ClientSide;
use jiff::Timestamp;
use protocol::{ALPN, refusal};

use crate::approach::Approach;
use crate::carry::carry;
use crate::client::{Client, Greeted};
use crate::desk::Desk;
use crate::error::{Failure, Kind, Trouble, USE_YOUR_OWN};
use crate::expiry::Ending;
use crate::hosts::{Host, Inventory};
use crate::meant::nearest;
use crate::output::human;
use crate::selection::fold;

/// Somebody at a desk who asks.
pub(crate) struct Caller<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) credentials: Credentials,
    pub(crate) inventory: Inventory,
    side: ClientSide,
    /// Whose certificates end soon, where that is told of all at once.
    end_soon: Option<RefCell<BTreeSet<String>>>,
}

impl<'a> Caller<'a> {
    /// Takes the identity that is kept in this desk's home.
    pub(crate) fn at(desk: &'a Desk) -> Result<Caller<'a>, Trouble> {
        let credentials = desk.home.credentials()?;
        let side = ClientSide::new(&credentials, ALPN)
            .map_err(|error| Trouble::Here(error.to_string(), USE_YOUR_OWN.to_owned()))?;
        Ok(Caller { desk, credentials, inventory: desk.home.inventory()?, side, end_soon: None })
    }

    /// The same, who meets many: whose certificates end soon is for [`Caller::tell_of_endings`], and not told one by one.
    pub(crate) fn of_many(self) -> Caller<'a> {
        Caller { end_soon: Some(RefCell::default()), ..self }
    }

    /// Tells whose certificates end soon, of those who were met.
    pub(crate) fn tell_of_endings(&self) {
        let hosts = self.end_soon.as_ref().map(RefCell::take).unwrap_or_default();
        if !hosts.is_empty() {
            let hosts = fold(hosts.iter().map(String::as_str));
            self.desk.remark(&format!(
                "certificates that end soon: {hosts}; renew them with: controller renew '{hosts}'"
            ));
        }
    }

    /// Finds out who is meant.
    pub(crate) fn resolve(&self, host: &str) -> Result<Host, Trouble> {
        Host::resolve(host, &self.inventory).map_err(|unmeant| self.desk.home.unmeant(unmeant))
    }

    /// The way to a host, with this desk's limits.
    pub(crate) fn approach<'b>(&'b self, host: &'b Host) -> Approach<'b> {
        Approach::with(host, &self.credentials, self.side.clone(), self.desk.timeout, self.desk.trace())
    }

    /// Connects to whoever is meant.
    pub(crate) async fn meet(&self, host: &str) -> Result<Client, Trouble> {
        let greeted = self.greet(&self.resolve(host)?).await;
        let client = match greeted {
            // Among many it is not looked for: that would be each name with each.
            Err(trouble) if self.end_soon.is_none() => {
                return Err(perhaps_meant(trouble, self.inventory.names()));
            }
            greeted => greeted?,
        };
        let Greeted { own, peer, .. } = client.greeted();
        for certificate in [own, peer] {
            let Some(ending) = Ending::of(certificate, host, Timestamp::now()) else { continue };
            match &self.end_soon {
                Some(all) if certificate == peer => drop(all.borrow_mut().insert(host.to_owned())),
                _ if self.desk.told.is_news(certificate) => {
                    self.desk.remark(&human::plain(&ending.remark()));
                }
                _ => {}
            }
        }
        Ok(client)
    }

    /// Shakes hands. Whoever knows what is void tells it to everybody he meets.
    pub(crate) async fn greet(&self, host: &Host) -> Result<Client, Trouble> {
        let mut client = self.approach(host).walk().await?;
        if self.credentials.revocations().number() == 0 {
            return Ok(client);
        }
        match carry(&mut client, &self.credentials).await.map_err(|failure| (failure.kind, failure)) {
            // An older agent, or an owner who does not want it.
            Ok(_) | Err((Kind::Refusal(refusal::Kind::UnknownRequest | refusal::Kind::NotPermitted), _)) => {}
            Err((Kind::Refusal(refusal::Kind::Failed) | Kind::BadList, failure)) => {
                self.desk.remark(Trouble::Host(failure).text().trim_end());
            }
            Err((_, failure)) => return Err(failure.into()),
        }
        Ok(client)
    }
}

/// A name that nobody knows may be a slip.
fn perhaps_meant<'a>(trouble: Trouble, known: impl Iterator<Item = &'a str>) -> Trouble {
    match trouble {
        Trouble::Host(failure) if failure.kind == Kind::NameNotFound => {
            let meant = nearest(&failure.host, known);
            let hint = meant.map(|meant| format!("did you mean {meant}? {}", failure.hint));
            Trouble::Host(Failure { hint: hint.unwrap_or_else(|| failure.hint.clone()), ..failure })
        }
        trouble => trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_knows_may_be_a_slip() {
        let host = Host::resolve("wbe-1", &Inventory::default()).unwrap();
        let unknown = || Failure::lookup(&host, "wbe-1", "Name or service not known");
        let hint = |known: &[&str]| perhaps_meant(unknown().into(), known.iter().copied()).told().2;
        assert!(hint(&["db-1", "web-1"]).starts_with("did you mean web-1? check the spelling"));
        assert_eq!(hint(&["mail"]), unknown().hint);
    }
}
