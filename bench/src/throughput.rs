//! Requests per second on connections that stay open, the agent and the floor in turns.

use std::thread::available_parallelism;

use bench::Error;
use bytes::Bytes;
use protocol::requests::echo::Echo;

use crate::fleet::Fleet;
use crate::load::{Batch, Client, Flow};
use crate::report::{Aim, Report};
use crate::samples::Samples;
use crate::server::Server;
use crate::{Effort, proc};

const CONNECTIONS: [usize; 3] = [1, 16, 64];
const DEPTHS: [usize; 2] = [1, 16];
/// With its head and lengths this makes a frame of about 100 bytes.
const PAYLOAD: usize = 64;

/// The echo that all measurements send.
pub(crate) fn echo() -> Echo {
    Echo { payload: Bytes::from_static(&[b'x'; PAYLOAD]) }
}

/// Where servers and client go: apart, where there is more than one processor.
pub(crate) fn apart(servers: &[&Server], report: &mut Report) -> Result<Option<usize>, Error> {
    if available_parallelism()?.get() < 2 {
        report.remark("**One processor only: servers and client share it, and rates are worth little.**");
        return Ok(None);
    }
    for server in servers {
        server.pin(0)?;
    }
    Ok(Some(1))
}

/// What one server did in all turns of one setting.
#[derive(Default)]
struct Column {
    rates: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    cpu: Vec<f64>,
}

impl Column {
    fn add(&mut self, flow: &Flow, cpu_micros: f64) {
        self.rates.push(flow.per_second);
        self.p50.push(flow.micros.median());
        self.p99.push(flow.micros.quantile(0.99));
        self.cpu.push(cpu_micros / flow.requests as f64);
    }
}

pub(crate) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let (agent, floor) = (fleet.agent()?, fleet.floor_server()?);
    let client = Client::of(fleet, apart(&[&agent, &floor], report)?)?;
    let mut table = format!(
        "### Requests on open connections\n\nEach of {} turns lasts {:?}; the request is `echo`, {} bytes a frame. Server \
         on one processor, client on another. Processor time is the server's, counted in ticks.\n\n\
         | connections × depth | agent /s | floor /s | agent p50 µs | floor p50 µs | agent p99 µs | floor p99 µs | agent µs \
         a request | floor µs a request |\n|---|---|---|---|---|---|---|---|---|",
        effort.turns,
        effort.span,
        Batch::of(&echo(), 1)?.frame_bytes(),
    );
    for depth in DEPTHS {
        for connections in CONNECTIONS {
            let batch = Batch::of(&echo(), depth)?;
            let mut columns = [Column::default(), Column::default()];
            for _ in 0..effort.turns {
                for (server, column) in [&agent, &floor].into_iter().zip(&mut columns) {
                    let before = proc::cpu(server.pid())?;
                    let flow = client.load(server.address, connections, &batch, effort.span)?;
                    column.add(&flow, (proc::cpu(server.pid())? - before).as_secs_f64() * 1e6);
                }
            }
            table += &row(connections, depth, columns, report)?;
        }
    }
    report.detail(table);
    Ok(())
}

/// One line of the table, and the lines beside the aims.
fn row(
    connections: usize,
    depth: usize,
    [ours, floor]: [Column; 2],
    report: &mut Report,
) -> Result<String, Error> {
    let setting = format!("{connections} × {depth}");
    let aim = if depth == 1 { 0.9 } else { 0.5 };
    let rate = ratios(&ours.rates, &floor.rates)?;
    report.compare(&format!("requests per second over floor, {setting}"), Aim::AtLeast(aim), &rate, "x");
    if depth == 1 {
        let p99 = ratios(&ours.p99, &floor.p99)?;
        report.compare(&format!("p99 over floor, {setting}"), Aim::AtMost(1.25), &p99, "x");
    }
    let samples = |numbers: Vec<f64>| Samples::new(numbers).ok_or("no turns");
    Ok(format!(
        "\n| {setting} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
        samples(ours.rates)?,
        samples(floor.rates)?,
        samples(ours.p50)?,
        samples(floor.p50)?,
        samples(ours.p99)?,
        samples(floor.p99)?,
        samples(ours.cpu)?,
        samples(floor.cpu)?,
    ))
}

fn ratios(over: &[f64], under: &[f64]) -> Result<Samples, Error> {
    let ratios = over.iter().zip(under).map(|(over, under)| over / under).collect();
    Ok(Samples::new(ratios).ok_or("no turns")?)
}
