//! Whether the asker may ask something.

use certs::Peer;
use protocol::requests::can::{Can, Verdict};

use crate::permissions::Permissions;

pub(super) fn answer(ask: &Can, peer: &Peer, permissions: &Permissions) -> Verdict {
    let denied = permissions.check(peer, &ask.permission).err();
    let allowed = denied.is_none();
    let (why, hint) = denied.map(|refusal| (refusal.message, refusal.hint)).unzip();
    Verdict { allowed, why, hint }
}
