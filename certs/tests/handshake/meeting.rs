//! Two sides with certificates, and what each says of the other.

use std::sync::Arc;

use certs::tls::{self, Judge, Reason};
use certs::{Address, Algorithm, Authority, Credentials, Grant, Identity, Role, Validity};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(crate) const PROTOCOL: &[u8] = b"test/1";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Dates {
    Good,
    Over,
    Ahead,
}

impl Dates {
    pub(crate) fn validity(self) -> Validity {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let (from, until) = match self {
            Dates::Good => (-HOUR, HOUR),
            Dates::Over => (HOUR * -2, -HOUR),
            Dates::Ahead => (HOUR, HOUR * 2),
        };
        Validity { not_before: now + from, not_after: now + until }
    }
}

pub(crate) struct Case {
    pub(crate) signed_by: Algorithm,
    pub(crate) identity: Identity,
    pub(crate) dates: Dates,
}

impl Case {
    pub(crate) fn good(role: Role) -> Case {
        let name = if role == Role::Agent { "web-1" } else { "alice" };
        Case {
            signed_by: Algorithm::Ed25519,
            identity: Identity { role, name: name.parse().unwrap() },
            dates: Dates::Good,
        }
    }

    pub(crate) fn credentials(&self, authority: &Authority) -> Credentials {
        let addresses: [Address; 1] = ["192.0.2.7".parse().unwrap()];
        let addresses = if self.identity.role == Role::Agent { &addresses[..] } else { &[] };
        let grant =
            Grant { identity: &self.identity, teams: &[], addresses, validity: self.dates.validity() };
        authority.issue(self.signed_by, &grant).unwrap()
    }
}

fn fault(error: &std::io::Error) -> (Judge, Reason) {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => tls::explain(error),
        None => panic!("not a TLS error: {error}"),
    }
}

pub(crate) type Verdict = Result<(), (Judge, Reason)>;

/// Shakes hands and sends one byte each way, as a request and its answer would go. Client's verdict, server's verdict.
pub(crate) async fn shake(
    server: rustls::ServerConfig,
    client: impl Into<Arc<rustls::ClientConfig>>,
    dialled: &str,
) -> (Verdict, Verdict) {
    let (near, far) = duplex(64 * 1024);
    let dialled = ServerName::try_from(dialled.to_owned()).unwrap();
    let serve = async {
        let mut stream =
            TlsAcceptor::from(Arc::new(server)).accept(far).await.map_err(|error| fault(&error))?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await.map_err(|error| fault(&error))?;
        stream.write_all(&byte).await.map_err(|error| fault(&error))?;
        stream.flush().await.map_err(|error| fault(&error))
    };
    let ask = async {
        let connector = TlsConnector::from(client.into());
        let mut stream = connector.connect(dialled, near).await.map_err(|error| fault(&error))?;
        let _ = stream.write_all(b"x").await;
        let _ = stream.flush().await;
        stream.read_exact(&mut [0]).await.map(drop).map_err(|error| fault(&error))
    };
    tokio::join!(ask, serve)
}
