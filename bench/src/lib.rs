//! What the floors and the measuring client share.
//!
//! A floor is a program that does nothing but the work that is named: the same bytes over the same TLS, no JSON, no
//! permission, no log, no help. It says what the machine itself costs. `main.rs` measures the product beside it.

pub mod frames;
pub mod street;
pub mod tls;

/// Measuring ends at the first thing that goes wrong; a person reads why.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
