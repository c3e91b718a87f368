//! A new key, and what the authority is to sign for it.

use std::sync::Arc;

use certs::Peer;
use protocol::Refusal;
use protocol::requests::renew::SigningRequest;

use crate::requests::Subject;
use crate::response::aside;

pub(super) async fn answer(peer: Arc<Peer>, subject: Arc<Subject>) -> Result<SigningRequest, Refusal> {
    let der = aside(move || subject.renewal().begin(&peer.identity.name)).await?;
    Ok(SigningRequest { der: der.into() })
}
