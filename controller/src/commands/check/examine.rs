//! Asks a host for all that some checks need to know, in one round.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use protocol::requests::check::{Check, Checked, State};
use protocol::requests::files::{Files, Look};
use protocol::requests::info::Info;
use protocol::requests::processes::Processes;
use protocol::requests::services::{Service, Services};
use protocol::requests::time::Time;

use super::WORDS;
use crate::caller::Caller;
use crate::client::{Client, Several};
use crate::commands::declared::PATIENCE;
use crate::commands::time::{Begun, Compared};
use crate::error::{Failure, Kind};
use crate::health::facts::{ClockTold, Declared, Facts, FileState, Needs, Offset, Told, UnitState};
use crate::health::finding::Report;
use crate::health::plan::Plan;

/// One request names at most so many things.
const AT_ONCE: usize = 64;

/// What one of the answers is to, with the names that were asked for.
enum Part {
    Clock,
    Machine,
    Processes(Vec<String>),
    Services(Vec<String>),
    Files(Vec<String>),
    Declared(String),
}

/// Makes these checks of a host. A host that is not reached is a finding too.
pub(crate) async fn examine(
    caller: &Caller<'_>,
    host: &str,
    plan: &Plan,
    parameters: &BTreeMap<String, String>,
) -> Report {
    let began = Instant::now();
    let (mut facts, failure) = match caller.meet(host).await {
        Ok(mut client) => {
            let needs = plan.needs();
            // What its owner declared may take as long as it may; all else is there at once.
            let within = match needs.declared.is_empty() {
                true => caller.desk.timeout,
                false => caller.desk.patience.unwrap_or(PATIENCE),
            };
            Round::new(&client, within).ask(&mut client, needs, parameters).await
        }
        Err(trouble) => {
            let failure = trouble.of_host(host, WORDS.not_begun, WORDS.hint);
            (Facts::of_unreachable(Timestamp::now(), &failure.in_one_line()), Some(failure))
        }
    };
    facts.took = began.elapsed();
    let mut report = plan.judge(host, &facts);
    if failure.as_ref().is_some_and(|failure| failure.kind == Kind::NotAsked) {
        // What is wrong at this desk says nothing of the host.
        report.checks.iter_mut().for_each(|finding| finding.verdict.state = State::Unknown);
        report.state = State::Unknown;
    }
    Report { failure, ..report }
}

/// Requests that are sent together, and what they have told so far.
struct Round {
    facts: Facts,
    open: HashMap<u64, Part>,
    files: Vec<Look>,
    /// What the machine's own clock said, where it was heard.
    there: Option<Timestamp>,
    within: Duration,
    /// Whether anything was answered.
    heard: bool,
}

impl Round {
    fn new(client: &Client, within: Duration) -> Round {
        let mut facts = Facts::new(Timestamp::now());
        facts.certificate_ends = Ok(client.greeted().peer.not_after);
        Round { facts, open: HashMap::new(), files: Vec::new(), there: None, within, heard: false }
    }

    async fn ask(
        mut self,
        client: &mut Client,
        needs: Needs,
        parameters: &BTreeMap<String, String>,
    ) -> (Facts, Option<Failure>) {
        let Err(failure) = self.exchange(client, needs, parameters).await else {
            return (self.close(), None);
        };
        let why = failure.in_one_line();
        // In TLS 1.3 the agent's verdict on this side's certificate comes with the first answer. And who is silent is not there.
        if failure.stage.is_before_trust() || !self.heard {
            return (Facts::of_unreachable(self.facts.now, &why), Some(failure));
        }
        for part in std::mem::take(&mut self.open).into_values() {
            self.fail(part, &why);
        }
        (self.close(), Some(failure))
    }

    async fn exchange(
        &mut self,
        client: &mut Client,
        needs: Needs,
        parameters: &BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        // The clocks are always compared: it is the cheapest answer, and tells how long the way is.
        self.open.insert(client.put(&Time {})?, Part::Clock);
        if !needs.sections.is_empty() {
            self.open.insert(client.put(&Info { sections: needs.sections })?, Part::Machine);
        }
        for names in needs.processes.chunks(AT_ONCE) {
            let id = client.put(&Processes { names: names.to_vec() })?;
            self.open.insert(id, Part::Processes(names.to_vec()));
        }
        for names in needs.services.chunks(AT_ONCE) {
            let id = client.put(&Services { names: names.to_vec() })?;
            self.open.insert(id, Part::Services(names.to_vec()));
        }
        for paths in needs.files.chunks(AT_ONCE) {
            let id = client.put(&Files { paths: paths.to_vec() })?;
            self.open.insert(id, Part::Files(paths.to_vec()));
        }
        for name in needs.declared {
            let id = client.put(&Check { name: name.clone(), parameters: parameters.clone() })?;
            self.open.insert(id, Part::Declared(name));
        }
        let begun = Begun::now();
        client.send().await?;
        while !self.open.is_empty() {
            let (id, answer) = client.next_of_several(self.within).await?;
            self.heard = true;
            let part = self.open.remove(&id).ok_or_else(|| client.unasked())?;
            self.take(client, part, answer, begun)?;
        }
        Ok(())
    }

    fn take(&mut self, client: &Client, part: Part, answer: Several, begun: Begun) -> Result<(), Failure> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(refused) => {
                self.fail(part, &refused.in_one_line());
                return Ok(());
            }
        };
        let facts = &mut self.facts;
        match part {
            Part::Clock => {
                let compared = begun.answered(client.read::<Time>(answer)?);
                self.there = Some(compared.clock.sent);
                facts.round_trip =
                    Ok(Duration::try_from_secs_f64(compared.round_trip_seconds).unwrap_or_default());
                facts.clock = Ok(told_of(&compared));
            }
            Part::Machine => facts.machine = Ok(client.read::<Info>(answer)?),
            Part::Processes(_) => {
                let counts = client.read::<Processes>(answer)?.processes.into_iter();
                facts.processes.extend(counts.map(|count| (count.name, Ok(count.running))));
            }
            Part::Services(names) => {
                let units = client.read::<Services>(answer)?.services.into_iter().map(unit);
                facts.services.extend(names.into_iter().zip(units));
            }
            Part::Files(_) => self.files.extend(client.read::<Files>(answer)?.files),
            Part::Declared(name) => {
                facts.declared.insert(name, Ok(declared(client.read::<Check>(answer)?)));
            }
        }
        Ok(())
    }

    fn fail(&mut self, part: Part, why: &str) {
        let (facts, why) = (&mut self.facts, || why.to_owned());
        match part {
            Part::Clock => (facts.round_trip, facts.clock) = (Err(why()), Err(why())),
            Part::Machine => facts.machine = Err(why()),
            Part::Processes(names) => {
                facts.processes.extend(names.into_iter().map(|name| (name, Err(why()))))
            }
            Part::Services(names) => facts.services.extend(names.into_iter().map(|name| (name, Err(why())))),
            Part::Files(paths) => facts.files.extend(paths.into_iter().map(|path| (path, Err(why())))),
            Part::Declared(name) => drop(facts.declared.insert(name, Err(why()))),
        }
    }

    /// How old a file is, the machine's own clock says; where that was not heard, this one's is the best there is.
    fn close(mut self) -> Facts {
        let there = self.there.unwrap_or(self.facts.now);
        let files = self.files.into_iter().map(|look| (look.path.clone(), file(look, there)));
        self.facts.files.extend(files);
        self.facts.now = Timestamp::now();
        self.facts
    }
}

fn told_of(compared: &Compared) -> ClockTold {
    let offset =
        compared.offset.map(|offset| Offset { seconds: offset.seconds, error_seconds: offset.error_seconds });
    ClockTold { offset, synchronised: compared.clock.synchronised }
}

fn unit(service: Service) -> Told<UnitState> {
    let state = service.state.ok_or_else(|| service.problem.unwrap_or_default())?;
    Ok(UnitState { load: state.load, active: state.active, sub: state.sub, restarts: state.restarts })
}

fn file(look: Look, there: Timestamp) -> Told<FileState> {
    match (look.exists, look.facts) {
        (Some(false), _) => Ok(FileState::Absent),
        (_, Some(facts)) => {
            let modified = facts.modified.ok_or("its file system names no sane time")?;
            let age_seconds = there.duration_since(modified).as_secs_f64();
            Ok(FileState::Present { age_seconds, size_bytes: facts.size_bytes })
        }
        _ => Err(look.problem.unwrap_or_default()),
    }
}

fn declared(checked: Checked) -> Declared {
    let output = String::from_utf8_lossy(&checked.output).into_owned();
    Declared { state: checked.state, why: checked.why, output }
}
