//! `services`: what systemd knows of its units.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Message;

/// Which are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Services {
    /// Names of units: 1 to 64 of them. One that does not say of which kind it is, is a service.
    pub names: Vec<String>,
}

/// What is known of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// In the order in which they were named.
    pub services: Vec<Service>,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The whole name.
    pub name: String,
    /// How it is, where systemd says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How a unit is, in systemd's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Whether systemd has read its file: `loaded`, `not-found`, `masked` and others.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating` and others.
    pub active: String,
    /// The same more closely: for a service `running`, `exited`, `dead` and others.
    pub sub: String,
    /// Since when; absent where it was never in another state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How often systemd has started it again by itself; absent where it is no service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u64>,
}

impl Message for Services {}
impl Message for Units {}
