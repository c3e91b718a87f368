//! What gathering the facts costs the machine that is asked: `info` minus `echo`, on one open connection.

use std::thread::sleep;
use std::time::Duration;

use bench::Error;
use protocol::requests::info::{Info, Section};

use crate::fleet::Fleet;
use crate::load::{Batch, Client};
use crate::report::{Aim, Report};
use crate::samples::Samples;
use crate::server::Server;
use crate::throughput::{apart, echo};
use crate::{Effort, proc};

const AIM_MS: f64 = 0.17;
/// A first answer waits for a second sample of the processors; what follows does not.
const SETTLED: Duration = Duration::from_millis(300);

/// Processor time a request in milliseconds, and latency in microseconds, a number for each turn.
#[derive(Default)]
struct Cost {
    cpu: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

pub(crate) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let agent = fleet.agent()?;
    let client = Client::of(fleet, apart(&[&agent], report)?)?;
    let mut batches = vec![
        ("echo".to_owned(), Batch::of(&echo(), 1)?),
        ("info".to_owned(), Batch::of(&Info::default(), 1)?),
    ];
    for section in Section::ALL {
        batches.push((format!("info {section}"), Batch::of(&Info { sections: vec![section] }, 1)?));
    }
    client.hold(agent.address, 1, &batches[1].1, || Ok(()))?;
    sleep(SETTLED);
    let mut costs: Vec<Cost> = batches.iter().map(|_| Cost::default()).collect();
    for _ in 0..effort.turns {
        for ((_, batch), cost) in batches.iter().zip(&mut costs) {
            cost.take(&client, &agent, batch, effort.span)?;
        }
    }
    let net = costs[1].cpu.iter().zip(&costs[0].cpu).map(|(info, echo)| info - echo).collect();
    let net = Samples::new(net).ok_or("no turns")?;
    report.compare("`info` minus `echo`, processor time of the agent", Aim::AtMost(AIM_MS), &net, " ms");
    let mut table = "### `info`\n\nOne connection, one request at a time. Processor time is counted in ticks over all \
                     requests of a turn.\n\n| request | agent ms a request | p50 µs | p99 µs |\n|---|---|---|---|"
        .to_owned();
    for ((name, _), cost) in batches.iter().zip(costs) {
        table += &format!("\n| `{name}` | {:.3} | {:.0} | {:.0} |", cost.cpu()?, cost.p50()?, cost.p99()?);
    }
    report.detail(table);
    Ok(())
}

impl Cost {
    fn take(&mut self, client: &Client, agent: &Server, batch: &Batch, span: Duration) -> Result<(), Error> {
        let before = proc::cpu(agent.pid())?;
        let flow = client.load(agent.address, 1, batch, span)?;
        let spent = proc::cpu(agent.pid())? - before;
        self.cpu.push(spent.as_secs_f64() * 1e3 / flow.requests as f64);
        self.p50.push(flow.micros.median());
        self.p99.push(flow.micros.quantile(0.99));
        Ok(())
    }

    fn cpu(&self) -> Result<Samples, Error> {
        Ok(Samples::new(self.cpu.clone()).ok_or("no turns")?)
    }

    fn p50(&self) -> Result<Samples, Error> {
        Ok(Samples::new(self.p50.clone()).ok_or("no turns")?)
    }

    fn p99(&self) -> Result<Samples, Error> {
        Ok(Samples::new(self.p99.clone()).ok_or("no turns")?)
    }
}
