//! The same bytes back.

use protocol::requests::echo::{Echo, Echoed};

pub(super) fn answer(ask: Echo) -> Echoed {
    Echoed { payload: ask.payload }
}
