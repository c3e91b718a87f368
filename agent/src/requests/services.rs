//! What systemd knows of its units.

use std::sync::Arc;

use protocol::Refusal;
use protocol::requests::services::{Services, Units};

use crate::host::Silence;
use crate::requests::{Subject, judge};

/// systemd takes no longer name.
const LONGEST: usize = 255;

pub(super) async fn answer(ask: Services, subject: Arc<Subject>) -> Result<Units, Refusal> {
    judge("services", &ask.names, LONGEST)?;
    let services = subject.host.services(ask.names).await.map_err(|silence| refusal(&silence))?;
    Ok(Units { services })
}

fn refusal(silence: &Silence) -> Refusal {
    let hint = match silence {
        Silence::NoBus(_) => "where there is no systemd, `processes` tells what runs",
        Silence::Lost(_) => "start the agent there again: systemctl restart rollcall-agent",
        Silence::TooSlow(_) => "ask again; `systemctl` on that machine may hang too",
    };
    Refusal::systemd_not_asked(silence, hint)
}
