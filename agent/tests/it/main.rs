//! A real agent on a port that the system chose, and peers that know only the wire.

mod config;
mod conversation;
mod limits;
mod program;
mod shutdown;
mod site;
