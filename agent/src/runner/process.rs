//! The other process: takes orders, and starts what was declared. It has read the declarations itself, and judges each order
//! as if nobody had done so before.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use protocol::Refusal;
use protocol::requests::explain::{Declared, Plan};
use rustix::process::WaitStatus;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::channel::Channel;
use super::family::Family;
use super::{Ending, Order, Word, program};
use crate::config::Config;
use crate::declared::{Declaration, Declarations, Given};

/// What is declared, and whose turn it is.
#[derive(Debug, Default)]
struct Workshop {
    declarations: Declarations,
    turns: BTreeMap<(Declared, String), Turns>,
}

#[derive(Debug, Clone)]
struct Turns {
    limit: usize,
    free: Arc<Semaphore>,
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
        let word = match order {
            Order::ReadAgain => Word::ReadAgain(self.read_again()),
            Order::Explain { sort, name, given } => match self.workshop.load().plan(sort, &name, &given) {
                Ok((_, plan)) => Word::Plan(plan),
                Err(refusal) => Word::Refused(refusal),
            },
            Order::Start { sort, name, given } => match self.workshop.load().plan(sort, &name, &given) {
                Ok((declaration, plan)) => {
                    let turns =
                        self.workshop.load().turns.get(&(sort, name)).map(|turns| Arc::clone(&turns.free));
                    match self.conduct(&declaration, &plan, turns, reply).await? {
                        Some(word) => word,
                        None => return Ok(()),
                    }
                }
                Err(refusal) => Word::Refused(refusal),
            },
        };
        reply.send(&word, &[]).await
    }

    /// Starts a program when it is its turn, and looks after it until it ends. There is no last word when nobody listens.
    async fn conduct(
        &self,
        declaration: &Declaration,
        plan: &Plan,
        turns: Option<Arc<Semaphore>>,
        reply: &Channel,
    ) -> io::Result<Option<Word>> {
        let turn = async { if let Some(turns) = turns { turns.acquire_owned().await.ok() } else { None } };
        let _turn = tokio::select! {
            turn = turn => turn,
            () = reply.closed() => return Ok(None),
        };
        let began = Instant::now();
        let (mark, written, ended) = match self.family.start(|| program::start(declaration, plan)) {
            Ok(started) => started,
            Err(not_started) => return Ok(Some(Word::Refused(not_started.refusal(declaration)))),
        };
        let told = reply.send(&Word::Started, &[written.output.as_fd(), written.errors.as_fd()]).await;
        drop(written);
        let mut ending = Ending::default();
        if told.is_ok() {
            tokio::select! {
                status = ended => ending.tell(status.ok()),
                () = sleep(declaration.timeout) => ending.timed_out = true,
                () = reply.closed() => {}
            }
        }
        ending.took = began.elapsed();
        self.family.end(mark).await;
        Ok(Some(Word::Ended(ending)))
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
        let turns = [Declared::Check, Declared::Run].into_iter().flat_map(|sort| {
            declarations.of(sort).iter().map(move |(name, declaration)| {
                let (key, limit) = ((sort, name.clone()), declaration.max_running);
                let same = before.turns.get(&key).filter(|turns| turns.limit == limit).cloned();
                let turns = same.unwrap_or_else(|| Turns { limit, free: Arc::new(Semaphore::new(limit)) });
                (key, turns)
            })
        });
        let turns = turns.collect();
        Ok(Workshop { declarations, turns })
    }

    fn plan(&self, sort: Declared, name: &str, given: &Given) -> Result<(Declaration, Plan), Refusal> {
        let declaration = self.declarations.find(sort, name)?;
        Ok((declaration.clone(), declaration.plan(given)?))
    }
}

impl Ending {
    fn tell(&mut self, status: Option<WaitStatus>) {
        self.code = status.and_then(WaitStatus::exit_status);
        self.signal = status.and_then(WaitStatus::terminating_signal);
        self.took = Duration::ZERO;
    }
}
