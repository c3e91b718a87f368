//! The certificate for the key that `renew` made: onto the disk, and then in force for connections to come.

use std::sync::Arc;

use certs::{Credentials, Fingerprint, Name, Peer};
use protocol::Refusal;
use protocol::requests::install::{Install, Installed};

use crate::audit::Note;
use crate::renewal::refused;
use crate::requests::Subject;
use crate::response::aside;
use crate::server::Settings;

pub(super) async fn answer(
    ask: Install,
    peer: Arc<Peer>,
    subject: Arc<Subject>,
) -> Result<Installed, Refusal> {
    aside(move || install(&ask, &peer.identity.name, &subject)).await
}

fn install(ask: &Install, by: &Name, subject: &Subject) -> Result<Installed, Refusal> {
    let mut renewal = subject.renewal();
    let renewed = renewal.complete(by, &String::from_utf8_lossy(&ask.certificates))?;
    let renewed = renewed.with_revocations(Arc::clone(&subject.revocations));
    let settings =
        Settings::new(&renewed, subject.settings.load().limits).map_err(|error| refused(&error))?;
    let authorities = fingerprints(&renewed).map_err(|error| refused(&error))?;
    let believes_others = renewed.authorities() != &subject.authorities.load()[..];
    let why = believes_others
        .then(|| format!("believes these authorities from now on: {}", authorities.join(", ")));
    let turn = subject.revocations.turn_to(renewed.authorities()).map_err(|error| refused(&error))?;
    renewal.save(&renewed)?;
    turn.done();
    subject.revoked.send_replace(());
    let own = renewed.own();
    subject.show(settings, &renewed);
    tracing::info!("{by} has renewed the certificate: {} until {}", own.identity.name, own.not_after);
    if let Some(why) = &why {
        tracing::info!("{why}");
    }
    subject.audit.note(&Note { event: "renewed", why, ..Note::of(own) });
    Ok(Installed { name: own.identity.name.to_string(), certificate_ends: own.not_after, authorities })
}

fn fingerprints(renewed: &Credentials) -> Result<Vec<String>, certs::Error> {
    let authorities = renewed.authorities().iter();
    authorities.map(|authority| Ok(Fingerprint::of_certificate(authority)?.to_string())).collect()
}
