//! The other process: takes orders, and starts what was declared. It has read the declarations itself, and judges each order
//! as if nobody had done so before.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use protocol::Refusal;
use protocol::requests::explain::{Plan, Sort};
use protocol::requests::run::Ended;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::channel::Channel;
use super::family::Family;
use super::program::{self, NotStarted};
use super::{Order, Word};
use crate::config::Config;
use crate::declared::{Declaration, Given};

/// All that is declared, by sort and name.
#[derive(Debug, Default)]
struct Workshop {
    declared: BTreeMap<(Sort, String), Declared>,
}

/// A check or a command, and whose turn it is.
#[derive(Debug)]
struct Declared {
    declaration: Declaration,
    turns: Arc<Semaphore>,
}

struct Process {
    config: Option<PathBuf>,
    workshop: ArcSwap<Workshop>,
    family: Arc<Family>,
}

/// Runs until the process that has started it closes the socket that is its standard input.
///
/// # Errors
/// What is declared cannot be read, or the system does not let jobs be looked after.
pub fn run(config: Option<PathBuf>) -> Result<(), Vec<String>> {
    let system = |error: io::Error| vec![format!("the runner cannot start: {error}")];
    let workshop = Workshop::read(config.as_ref(), &Workshop::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    runtime.block_on(async {
        ignore_signals().map_err(system)?;
        let family = Family::begin().map_err(system)?;
        let process = Arc::new(Process { config, workshop: ArcSwap::from_pointee(workshop), family });
        let control = io::stdin().as_fd().try_clone_to_owned().and_then(Channel::new).map_err(system)?;
        control.send(&Word::Ready, &[]).await.map_err(system)?;
        process.take_orders(&control).await.map_err(system)?;
        process.family.end_all();
        Ok(())
    })
}

/// It ends with the process that gives orders, and not by itself. Handlers, unlike signals that are ignored, are not inherited.
fn ignore_signals() -> io::Result<()> {
    for kind in [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()] {
        let _ = signal(kind)?;
    }
    Ok(())
}

impl Process {
    async fn take_orders(self: &Arc<Process>, control: &Channel) -> io::Result<()> {
        while let Some((order, with)) = control.receive::<Order>().await? {
            let Some(reply) = with.into_iter().next() else { continue };
            let (process, reply) = (Arc::clone(self), Channel::new(reply)?);
            tokio::spawn(async move {
                // Whoever does not listen any more is told nothing.
                let _ = process.obey(order, &reply).await;
            });
        }
        Ok(())
    }

    async fn obey(&self, order: Order, reply: &Channel) -> io::Result<()> {
        let workshop = self.workshop.load_full();
        let word = match order {
            Order::ReadAgain => Ok(Some(Word::ReadAgain(self.read_again()))),
            Order::Explain { sort, name, given } => {
                workshop.plan(sort, &name, &given).map(|(_, plan)| Some(Word::Plan(plan)))
            }
            Order::Start { sort, name, given } => match workshop.plan(sort, &name, &given) {
                Ok((declared, plan)) => self.conduct(declared, &plan, reply).await,
                Err(refusal) => Err(refusal),
            },
        };
        match word.unwrap_or_else(|refusal| Some(Word::Refused(refusal))) {
            Some(word) => reply.send(&word, &[]).await,
            None => Ok(()),
        }
    }

    /// Starts a program when it is its turn, and looks after it until it ends. There is no last word when nobody listens.
    async fn conduct(
        &self,
        Declared { declaration, turns }: &Declared,
        plan: &Plan,
        reply: &Channel,
    ) -> Result<Option<Word>, Refusal> {
        let _turn = tokio::select! {
            turn = turns.acquire() => turn,
            () = reply.closed() => return Ok(None),
        };
        let began = Instant::now();
        let cannot = |not_started: NotStarted| not_started.refusal(declaration);
        let mark = self.family.mark().map_err(|error| cannot(error.into()))?;
        let (pid, written) = program::start(declaration, plan).map_err(cannot)?;
        let status = self.family.expect(mark, pid);
        let told = reply.send(&Word::Started, &[written.output.as_fd(), written.errors.as_fd()]).await;
        drop(written);
        let mut ended = Ended::default();
        if told.is_ok() {
            tokio::select! {
                Ok(status) = status => {
                    (ended.code, ended.signal) = (status.exit_status(), status.terminating_signal());
                }
                () = sleep(declaration.timeout) => ended.timed_out = true,
                () = reply.closed() => {}
            }
        }
        ended.took_seconds = began.elapsed().as_secs_f64();
        self.family.end(mark).await;
        Ok(Some(Word::Ended(ended)))
    }

    fn read_again(&self) -> Result<(), Vec<String>> {
        let workshop = Workshop::read(self.config.as_ref(), &self.workshop.load())?;
        self.workshop.store(Arc::new(workshop));
        Ok(())
    }
}

impl Workshop {
    /// What is declared now. Where as many may run as before, those that run count.
    fn read(config: Option<&PathBuf>, before: &Workshop) -> Result<Workshop, Vec<String>> {
        let declarations = Config::declared(config.map(PathBuf::as_path))
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let mut declared = BTreeMap::new();
        for sort in Sort::ALL {
            for (name, declaration) in declarations.of(sort) {
                let (key, limit) = ((sort, name.clone()), declaration.max_running);
                let same = before.declared.get(&key).filter(|same| same.declaration.max_running == limit);
                let turns =
                    same.map_or_else(|| Arc::new(Semaphore::new(limit)), |same| Arc::clone(&same.turns));
                declared.insert(key, Declared { declaration: declaration.clone(), turns });
            }
        }
        Ok(Workshop { declared })
    }

    fn plan(&self, sort: Sort, name: &str, given: &Given) -> Result<(&Declared, Plan), Refusal> {
        let declared = self.declared.get(&(sort, name.to_owned()));
        let declared = declared.ok_or_else(|| Refusal::not_declared(sort, name))?;
        Ok((declared, declared.declaration.plan(given)?))
    }
}
