//! Asks agents, shows their answers, and tells scripts the truth.
//!
//! A verb is a file in [`commands`]: its flags, its asking, its table. [`hosts`] says what HOST means, [`approach`] goes
//! there and [`client`] asks, [`error`] puts every failure into words, [`output`] prints, and [`exit`] counts.

mod adoption;
pub mod approach;
mod caller;
mod carry;
mod changeover;
pub mod cli;
pub mod client;
pub mod commands;
mod completion;
pub mod desk;
pub mod error;
pub mod exit;
mod expiry;
pub mod fleet;
pub mod health;
pub mod home;
pub mod hosts;
mod input;
mod lines;
mod meant;
mod office;
pub mod output;
pub mod passphrase;
mod receipts;
pub mod registry;
pub mod selection;
mod span;
pub mod trace;
