//! Who the agent believes the asker to be.

use certs::Peer;
use protocol::requests::whoami::You;

use crate::permissions::Permissions;

pub(super) fn answer(peer: &Peer, permissions: &Permissions) -> You {
    You {
        identity: peer.identity.to_string(),
        teams: peer.teams.iter().map(ToString::to_string).collect(),
        serial: peer.serial.to_string(),
        certificate_ends: peer.not_after,
        may: permissions.all_of(peer),
    }
}
