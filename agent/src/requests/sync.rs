//! Which revocation list is the newest. A list is believed for its signature, and not for who carries it.

use std::sync::Arc;

use bytes::Bytes;
use certs::RevocationList;
use protocol::Refusal;
use protocol::requests::sync::{Sync, Synced};

use crate::requests::Subject;
use crate::response::aside;

pub(super) async fn answer(ask: Sync, subject: Arc<Subject>) -> Result<Synced, Refusal> {
    if ask.list.is_empty() {
        return Ok(tell(&ask, &subject));
    }
    // A list that is taken is written to the disk, and others must not wait for that.
    aside(move || {
        let refused = |error| Refusal::list_not_taken(&error);
        let list = RevocationList::read(&ask.list, &subject.authorities.load()).map_err(refused)?;
        if subject.revocations.take(list).map_err(refused)? {
            tracing::info!("took revocation list {}", subject.revocations.number());
            // Whoever is connected is looked at again.
            subject.revoked.send_replace(());
        }
        Ok(tell(&ask, &subject))
    })
    .await
}

fn tell(ask: &Sync, subject: &Subject) -> Synced {
    let newest = subject.revocations.newest();
    let number = newest.as_ref().map_or(0, |list| list.number());
    let newer = newest.filter(|_| number > ask.number);
    let list = newer.map_or_else(Bytes::new, |list| Bytes::copy_from_slice(list.der()));
    Synced { number, list }
}
