//! Revocation lists travel with whoever connects: the older side gets the newer list.

use bytes::Bytes;
use certs::{Credentials, RevocationList};
use protocol::requests::sync::Sync;
use serde::Serialize;

use crate::client::Client;
use crate::error::Failure;

/// Which list each side had, and which both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Carried {
    pub(crate) number: u64,
    pub(crate) agent_had: u64,
    pub(crate) controller_had: u64,
}

/// Gives the agent this side's list, or takes the agent's.
pub(crate) async fn carry(client: &mut Client, credentials: &Credentials) -> Result<Carried, Failure> {
    let known = credentials.revocations();
    let controller_had = known.number();
    let told = client.ask(Sync { number: controller_had, list: Bytes::new() }).await?;
    let agent_had = told.number;
    if agent_had > controller_had {
        let list = RevocationList::read(&told.list, credentials.authorities());
        let taken = list.and_then(|list| known.take(list));
        // Another command at this desk may have taken a newer one meanwhile: then it is the agent that lacks it.
        if let Err(error) = taken
            && known.number() <= agent_had
        {
            return Err(Failure::bad_list(&client.greeted().host, &error));
        }
    }
    let mut number = agent_had;
    if agent_had < known.number()
        && let Some(newest) = known.newest()
    {
        let list = Bytes::copy_from_slice(newest.der());
        number = client.ask(Sync { number: newest.number(), list }).await?.number;
    }
    Ok(Carried { number, agent_had, controller_had })
}
