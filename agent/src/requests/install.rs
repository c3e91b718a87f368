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
    let why = whom_it_believes(&renewed, subject).map_err(|error| refused(&error))?;
    let turn = subject.revocations.turn_to(renewed.authorities()).map_err(|error| refused(&error))?;
    renewal.save(&renewed)?;
    turn.done();
    subject.revoked.send_replace(());
    let own = renewed.own();
    subject.show(settings, &renewed);
    subject.audit.note(&Note { event: "renewed", why, ..Note::of(own) });
    tracing::info!("{by} has renewed the certificate: {} until {}", own.identity.name, own.not_after);
    Ok(Installed { name: own.identity.name.to_string(), certificate_ends: own.not_after })
}

/// The authorities that are believed from now on, where they are others than before.
fn whom_it_believes(renewed: &Credentials, subject: &Subject) -> Result<Option<String>, certs::Error> {
    let authorities = renewed.authorities();
    if authorities == &subject.authorities.load()[..] {
        return Ok(None);
    }
    let fingerprints =
        authorities.iter().map(|authority| Ok(Fingerprint::of_certificate(authority)?.to_string()));
    let fingerprints: Vec<String> = fingerprints.collect::<Result<_, certs::Error>>()?;
    let words = format!("believes these authorities from now on: {}", fingerprints.join(", "));
    tracing::info!("{words}");
    Ok(Some(words))
}
