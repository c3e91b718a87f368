//! What the machine is and how it is doing.

use std::sync::Arc;

use protocol::requests::info::{Agent, Info, Machine, Section};
use protocol::{Refusal, VERSION};

use crate::host::HostError;
use crate::requests::Subject;
use crate::sandbox::Report;

pub(super) async fn answer(ask: Info, subject: Arc<Subject>) -> Result<Machine, Refusal> {
    gather(&subject, &ask.sections).await
}

/// An empty list means everything.
pub(super) async fn gather(subject: &Subject, sections: &[Section]) -> Result<Machine, Refusal> {
    let failed = |error: HostError| Refusal::failed("the machine does not tell what was asked", &error);
    let mut machine = subject.host.gather(sections).await.map_err(failed)?;
    if sections.is_empty() || sections.contains(&Section::Agent) {
        machine.agent = match agent(subject) {
            Err(error) if sections == [Section::Agent] => return Err(failed(error)),
            facts => facts.ok(),
        };
    }
    Ok(machine)
}

fn agent(subject: &Subject) -> Result<Agent, HostError> {
    let process = subject.host.own()?;
    let own = subject.own.load();
    Ok(Agent {
        name: own.identity.name.to_string(),
        version: VERSION.to_owned(),
        certificate_ends: own.not_after,
        running_seconds: process.running_seconds,
        memory_bytes: process.memory_bytes,
        descriptors: process.descriptors,
        descriptors_limit: process.descriptors_limit,
        audit: subject.audit.problem(),
        sandbox: subject.sandbox.get().map(Report::told),
    })
}
