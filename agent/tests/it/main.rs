//! A real agent on a port that the system chose, and peers that know only the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod adoption;
mod audit;
mod config;
mod conversation;
mod descriptors;
mod limits;
mod program;
mod renewal;
mod runner;
mod shutdown;
mod site;
