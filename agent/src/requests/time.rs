//! The machine's clock.

use jiff::Timestamp;
use protocol::requests::time::{Clock, Time};

use crate::host::Host;

pub(super) fn answer(_: &Time, host: &Host) -> Clock {
    let received = Timestamp::now();
    let kernel = host.clock_sync();
    let (zone, utc_offset_seconds) = host.zone(received);
    Clock {
        received,
        zone,
        utc_offset_seconds,
        synchronised: kernel.synchronised,
        max_error_seconds: kernel.max_error_seconds,
        sent: Timestamp::now(),
    }
}
