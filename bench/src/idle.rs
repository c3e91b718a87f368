//! What an agent costs that nobody asks. It has served before: what it needed then must not keep it awake.

use std::thread::sleep;
use std::time::Duration;

use bench::Error;
use protocol::requests::info::Info;
use protocol::requests::uptime::Uptime;

use crate::fleet::Fleet;
use crate::load::{Batch, Client};
use crate::oneshot::one;
use crate::report::{Aim, Report};
use crate::{Effort, proc};

/// For the connections to end.
const SETTLED: Duration = Duration::from_secs(1);

pub(crate) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let agent = fleet.agent()?;
    let client = Client::of(fleet, None)?;
    for batch in [Batch::of(&Info::default(), 1)?, Batch::of(&Uptime {}, 1)?] {
        client.hold(agent.address, 1, &batch, || Ok(()))?;
    }
    sleep(SETTLED);
    let before = (proc::cpu_ticks(agent.pid())?, proc::ran(agent.pid())?);
    sleep(effort.idle);
    let after = (proc::cpu_ticks(agent.pid())?, proc::ran(agent.pid())?);
    let rss = proc::kib(agent.pid(), "VmRSS")? as f64 / 1024.0;
    one(report, "idle agent, RSS", Aim::AtMost(8.0), rss, " MiB")?;
    let what = format!("idle agent, ticks of processor time in {:?}", effort.idle);
    one(report, &what, Aim::AtMost(0.0), (after.0 - before.0) as f64, "")?;
    report.detail(format!(
        "### Idle agent\n\nAfter `info` and `uptime`: RSS {rss:.1} MiB, {} threads. Its first thread ran {:.3} ms in {:?}.",
        proc::threads(agent.pid())?,
        (after.1 - before.1).as_secs_f64() * 1e3,
        effort.idle,
    ));
    Ok(())
}
