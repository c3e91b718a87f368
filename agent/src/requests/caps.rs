//! What this agent offers to whoever asks: nothing that he may not ask.

use std::collections::BTreeMap;

use certs::Peer;
use protocol::requests::NAMES;
use protocol::requests::caps::{Offer, Offers};
use protocol::requests::explain::Sort;

use crate::declared::Declarations;
use crate::permissions::Permissions;

pub(super) fn answer(peer: &Peer, permissions: &Permissions, declared: &Declarations) -> Offers {
    let may = |permission: &str| permissions.check(peer, permission).is_ok();
    let offers = |sort: Sort| -> BTreeMap<String, Offer> {
        let all = declared.of(sort).iter();
        let open = all.filter(|(name, _)| may(&sort.permission(name)));
        open.map(|(name, declaration)| (name.clone(), declaration.offer())).collect()
    };
    let mut requests: Vec<String> =
        NAMES.iter().filter(|name| may(name)).map(|name| (*name).to_owned()).collect();
    let (checks, commands) = (offers(Sort::Check), offers(Sort::Command));
    if !commands.is_empty() {
        requests.push(Sort::Command.request().to_owned());
        requests.sort_unstable();
    }
    Offers { requests, checks, commands }
}
