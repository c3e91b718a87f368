//! How long the machine has been up.

use protocol::requests::uptime::{Running, Uptime};

use crate::host::Host;

pub(super) fn answer(_: &Uptime, host: &Host) -> Running {
    host.running()
}
