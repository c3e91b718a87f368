//! The built controller against real agents, and against everything that only looks like one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod adoption;
mod audit;
mod authority;
mod clocks;
mod declared;
mod demo;
mod doctor;
mod endings;
mod example;
mod failures;
mod fleet;
mod foundling;
mod health;
mod homes;
mod hosts;
mod impostors;
mod operators;
mod permissions;
mod real_path;
mod registry;
mod renewal;
mod revocation;
mod rotation;
mod sandbox;
mod site;
mod verbs;
mod waiting;
