//! Who is let in, and with which reason who is not, on both sides.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod believed;
mod matrix;
mod meeting;
mod roles;
mod session;
