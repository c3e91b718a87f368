//! What a connection costs on which nothing happens.

use bench::Error;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::fleet::Fleet;
use crate::load::{Batch, Client};
use crate::oneshot::one;
use crate::report::{Aim, Report};
use crate::server::Server;
use crate::throughput::echo;
use crate::{Effort, proc};

/// 1.2 times the least that was found possible with tokio and rustls.
const AIM_KIB: f64 = 12.6;
/// Descriptors that are not connections.
const SPARE: u64 = 100;

/// Resident memory in KiB.
struct Held {
    before: u64,
    after: u64,
    connections: usize,
}

impl Held {
    fn each(&self) -> f64 {
        self.after.saturating_sub(self.before) as f64 / self.connections as f64
    }
}

pub(crate) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let connections = raise_descriptor_limit(effort.held, report)?;
    let client = Client::of(fleet, None)?;
    // One after the other, and each in a process of its own: memory once had is not all given back.
    let ours = hold(&fleet.roomy_agent()?, &client, connections)?;
    let floor = hold(&fleet.floor_server()?, &client, connections)?;
    let each = ours.each();
    one(
        report,
        &format!("memory of an idle connection, {connections} held"),
        Aim::AtMost(AIM_KIB),
        each,
        " KiB",
    )?;
    let ratio = each / floor.each();
    one(report, "the same, over floor", Aim::AtMost(1.2), ratio, "x")?;
    let row = |name: &str, held: &Held| {
        format!("| {name} | {} | {} | {:.2} |", held.before, held.after, held.each())
    };
    report.detail(format!(
        "### Idle connections\n\nEvery connection has asked once before it waits.\n\n\
         | server | RSS before, KiB | RSS with {connections}, KiB | KiB each |\n|---|---|---|---|\n{}\n{}",
        row("agent", &ours),
        row("floor", &floor),
    ));
    Ok(())
}

fn hold(server: &Server, client: &Client, connections: usize) -> Result<Held, Error> {
    let batch = Batch::of(&echo(), 1)?;
    let look = || proc::kib(server.pid(), "VmRSS");
    let before = client.hold(server.address, 1, &batch, look)?;
    let after = client.hold(server.address, connections, &batch, look)?;
    Ok(Held { before, after, connections })
}

/// Both ends need a descriptor for each connection. Where the system allows fewer, fewer are held.
fn raise_descriptor_limit(wanted: usize, report: &mut Report) -> Result<usize, Error> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let Some(maximum) = limit.maximum else { return Ok(wanted) };
    let possible = usize::try_from(maximum.saturating_sub(SPARE))?;
    if possible < wanted {
        let why = format!("a process may open {maximum} files here, so {possible} are held instead");
        report.not_measured(&format!("{wanted} idle connections"), &why);
    }
    Ok(possible.min(wanted))
}
