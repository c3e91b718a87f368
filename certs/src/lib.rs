//! Who may speak.
//!
//! One [`Authority`] per fleet signs identities. An [`Identity`] is a role and a name, and stands in the certificate
//! itself. [`Credentials`] are what one program holds: its key, its certificate and the authority it trusts; [`pending`] is
//! a key that has no certificate yet. [`tls`]
//! turns them into the two TLS configurations and puts a failed handshake into words. [`store`] is the only place that
//! reads or writes keys. Nothing here knows what is said once both sides trust each other.

pub mod adoption;
pub mod authority;
mod certificate;
pub mod credentials;
pub mod error;
pub mod grant;
pub mod identity;
pub mod passphrase;
pub mod pending;
mod provider;
pub mod revocation;
pub mod signed;
pub mod store;
pub mod tls;

pub use authority::{Algorithm, Authority, Stage};
pub use credentials::Credentials;
pub use error::Error;
pub use grant::{Address, Grant, Validity};
pub use identity::{Identity, Name, Peer, Role, Serial};
pub use passphrase::Passphrase;
pub use pending::{Fingerprint, Pending, Request};
pub use revocation::{RevocationList, Revocations};
pub use signed::Signed;
