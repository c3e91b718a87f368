//! Which revocation list is the newest. A list is believed for its signature, and not for who carries it.

use bytes::Bytes;
use certs::RevocationList;
use protocol::Refusal;
use protocol::requests::sync::{Sync, Synced};

use crate::requests::Subject;

pub(super) fn answer(ask: &Sync, subject: &Subject) -> Result<Synced, Refusal> {
    let refused = |error| Refusal::failed("the revocation list was not taken", &error);
    let known = &subject.revocations;
    if !ask.list.is_empty() {
        let list = RevocationList::read(&ask.list, &subject.authorities.load()).map_err(refused)?;
        if known.take(list).map_err(refused)? {
            tracing::info!("took revocation list {}", known.number());
            // Whoever is connected is looked at again.
            subject.revoked.send_replace(());
        }
    }
    let newest = known.newest();
    let number = newest.as_ref().map_or(0, |list| list.number());
    let newer = newest.filter(|_| number > ask.number);
    let list = newer.map_or_else(Bytes::new, |list| Bytes::copy_from_slice(list.der()));
    Ok(Synced { number, list })
}
