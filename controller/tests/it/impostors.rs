//! Agents that are none, or none of ours, and the certificates for them.

use std::sync::Arc;

use certs::{Algorithm, Authority, Credentials, Grant, Identity, Signed, Validity};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::site::Site;

/// Answers every connection with these bytes, and keeps it open or ends it.
pub(crate) fn raw(site: &Site, bytes: &'static [u8], keep: bool) -> String {
    let listener = site.listener("127.0.0.1:0");
    let address = listener.local_addr().unwrap().to_string();
    site.runtime.spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(bytes).await;
            if keep {
                kept.push(socket);
            }
        }
    });
    address
}

/// Credentials beyond what `issue` would write.
pub(crate) struct Minted<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) identity: Identity,
    pub(crate) from: SignedDuration,
    pub(crate) until: SignedDuration,
}

impl<'a> Minted<'a> {
    pub(crate) fn good(authority: &'a Authority, identity: &str) -> Minted<'a> {
        let hour = SignedDuration::from_hours(1);
        Minted { authority, identity: identity.parse().unwrap(), from: -hour, until: hour }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        let now = Timestamp::now();
        let validity = Validity { not_before: now + self.from, not_after: now + self.until };
        let addresses = ["127.0.0.1".parse().unwrap()];
        let addresses = if self.identity.role == certs::Role::Agent { &addresses[..] } else { &[] };
        let grant = Grant { identity: &self.identity, teams: &[], addresses, validity };
        self.authority.issue(Algorithm::Ed25519, &grant).unwrap()
    }
}

/// Another certificate, believing the same authority as `site` does.
pub(crate) fn believing_in(site: &Site, credentials: Credentials) -> Credentials {
    let ours = Authority::load(&site.home().join("authority.pem")).unwrap();
    let (key, certificate) = credentials.into_key_and_certificate();
    Credentials::new(key, Signed { certificate, authorities: ours.believed(), vouchers: Vec::new() }).unwrap()
}

/// What a fake agent does once it has said its piece.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    Hold,
    Close,
    Cut,
    Reset,
}

/// Speaks TLS like an agent, and then says anything.
pub(crate) fn fake(site: &Site, config: Arc<ServerConfig>, says: &'static [u8], then: Then) -> String {
    let listener = site.listener("127.0.0.1:0");
    let address = listener.local_addr().unwrap().to_string();
    site.runtime.spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = TlsAcceptor::from(Arc::clone(&config)).accept(socket).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(says).await;
            let _ = stream.flush().await;
            match then {
                Then::Hold => held.push(stream),
                Then::Close => drop(stream.shutdown().await),
                Then::Cut => {}
                Then::Reset => stream.get_ref().0.set_zero_linger().unwrap(),
            }
        }
    });
    address
}

pub(crate) fn framed(head: &str) -> &'static [u8] {
    let mut bytes = Vec::new();
    protocol::frame::put(
        &mut bytes,
        |out| {
            out.extend_from_slice(head.as_bytes());
            Ok(())
        },
        b"",
    )
    .unwrap();
    bytes.leak()
}
