//! Health checks: which are wanted of a host, what has to be asked for them, what the answers mean, and how that is told.
//!
//! Nothing here asks, reads a file or looks at a clock. A [`plan::Plan`] says what it needs, whoever asks fills in
//! [`facts::Facts`], and [`plan::Plan::judge`] makes a [`finding::Report`] of them; each format has a file.

pub mod checks;
pub mod facts;
pub mod finding;
pub mod flags;
pub mod junit;
mod meant;
pub mod nagios;
mod performance;
pub mod plan;
pub mod profile;
pub mod prometheus;
pub mod range;
pub(crate) mod show;
pub mod threshold;
pub mod unit;

#[cfg(test)]
mod samples;
