//! The other process: takes orders, and starts what was declared. It has read the declarations itself, and judges each order
//! as if nobody had done so before.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use protocol::Refusal;
use protocol::requests::explain::Sort;
use protocol::requests::run::Ended;
use rustix::process::{Resource, Rlimit, WaitStatus, setsid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::channel::Channel;
use super::family::{Family, Mark};
use super::program::{self, NotStarted, Pipes, Program};
use super::turns::{Turn, Turns};
use super::{Order, Word};
use crate::c_library::{self, start::HANDLED};
use crate::cli::RunnerFlags;
use crate::config::Config;
use crate::declared::{Declarations, Given, place_of};

struct Process {
    flags: RunnerFlags,
    /// Where those folders are. The sandbox holds what they were when the agent entered it: later links change nothing in that.
    writable: Vec<PathBuf>,
    declared: ArcSwap<Declarations>,
    turns: Turns,
    family: Arc<Family>,
    /// How many descriptors what it starts may have.
    descriptors: (Resource, Rlimit),
}

/// Runs until the process that has started it closes the socket that is its standard input.
///
/// # Errors
/// What is declared cannot be read, or the system does not let jobs be looked after.
pub fn run(flags: RunnerFlags) -> Result<(), Vec<String>> {
    let system = |error: io::Error| vec![format!("the runner cannot start: {error}")];
    // Of the terminal of whoever started the agent nothing that runs here has anything: Ctrl-C there is for the process that
    // speaks with peers, and keys typed there are for nobody else.
    setsid().map_err(io::Error::from).map_err(system)?;
    c_library::keep_descriptors();
    c_library::ignore_no_signal();
    let (declared, unready) = read(&flags)?;
    let writable = flags.writable.iter().map(|folder| place_of(folder));
    let writable = writable.collect::<Result<Vec<_>, _>>().map_err(|why| vec![why])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    runtime.block_on(async {
        ignore_signals().map_err(system)?;
        let family = Family::begin().map_err(system)?;
        let (declared, turns) = (ArcSwap::from_pointee(declared), Turns::default());
        let descriptors = program::take_all_descriptors();
        let process = Process { flags, writable, declared, turns, family, descriptors };
        let control = io::stdin().as_fd().try_clone_to_owned().and_then(Channel::new).map_err(system)?;
        control.send(&Word::Ready(unready), &[]).await.map_err(system)?;
        let orders = process.take_orders(&control).await;
        process.family.end_all();
        orders.map_err(|error| vec![format!("the runner ends: it was told what is no order: {error}")])
    })
}

/// It ends with the process that gives orders, and not by itself. Handlers, unlike signals that are ignored, are not inherited.
fn ignore_signals() -> io::Result<()> {
    for kind in HANDLED {
        let _ = signal(SignalKind::from_raw(kind))?;
    }
    Ok(())
}

impl Process {
    async fn take_orders(&self, control: &Channel) -> io::Result<()> {
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                // What was ordered begins before another order is looked for.
                Some(()) = open.next() => {}
                order = control.receive_with::<Order>() => {
                    let Some((order, with)) = order? else { return Ok(()) };
                    let mut with = with.into_iter();
                    if let Some(reply) = with.next() {
                        let reply = Channel::new(reply)?;
                        // Whoever does not listen any more is told nothing. Where one job fails, the others go on.
                        let job = AssertUnwindSafe(self.obey(order, reply, with.collect()));
                        open.push(job.catch_unwind().map(drop));
                    }
                }
            }
        }
    }

    async fn obey(&self, order: Order, reply: Channel, with: Vec<OwnedFd>) -> io::Result<()> {
        let word = match order {
            Order::ReadAgain => Ok(Some(Word::ReadAgain(self.read_again()))),
            Order::Explain { sort, name, given } => self.explain((sort, &name, &given)).await,
            Order::Start { sort, name, given } => {
                self.wait_and_conduct((sort, &name, &given), with, &reply).await
            }
        };
        match word.unwrap_or_else(|refusal| Some(Word::Refused(refusal))) {
            Some(word) => reply.send(&word, &[]).await,
            None => Ok(()),
        }
    }

    async fn explain(&self, (sort, name, given): (Sort, &str, &Given)) -> Result<Option<Word>, Refusal> {
        let declared = self.declared.load_full();
        let declaration = declared.find(sort, name)?;
        let plan = declaration.plan(given)?;
        program::ready(declaration).await.map_err(|not_started| not_started.refusal(declaration))?;
        Ok(Some(Word::Plan(plan)))
    }

    /// Starts a program when it is its turn. There is no last word when nobody listens.
    async fn wait_and_conduct(
        &self,
        (sort, name, given): (Sort, &str, &Given),
        with: Vec<OwnedFd>,
        reply: &Channel,
    ) -> Result<Option<Word>, Refusal> {
        let Some(_turn) = self.turn(sort, name, reply).await? else { return Ok(None) };
        // What was declared may have changed while it waited.
        let declared = self.declared.load_full();
        let declaration = declared.find(sort, name)?;
        let plan = declaration.plan(given)?;
        let pipes = Pipes::of(sort, with)?;
        let cannot = |not_started: NotStarted| not_started.refusal(declaration);
        let pinned = program::pinned(declaration).await.map_err(cannot)?;
        let began = Instant::now();
        let program = Program { declaration, plan, pinned, pipes };
        let started = self.family.start(|mark| program.start(&self.writable, [self.descriptors, mark]));
        let (mark, status, begun) = started.map_err(cannot)?;
        let mut ended = self.look_after((mark, status), declaration.timeout, reply).await;
        ended.took_seconds = began.elapsed().as_secs_f64();
        match begun.fault() {
            Some(fault) => Err(cannot(program::explain(&fault, declaration))),
            None => Ok(Some(Word::Ended(ended))),
        }
    }

    /// Waits while others are before it, and says so; there is no turn for whom nobody listens.
    async fn turn(&self, sort: Sort, name: &str, reply: &Channel) -> Result<Option<Turn>, Refusal> {
        let limit = self.declared.load().find(sort, name)?.max_running;
        let places = self.turns.of(sort, name, limit);
        if let Ok(turn) = Arc::clone(&places).try_acquire_owned() {
            return Ok(Some(turn));
        }
        if reply.send_now(&Word::Waits).is_err() {
            return Ok(None);
        }
        let turn = tokio::select! {
            turn = places.acquire_owned() => turn.ok(),
            () = reply.closed() => None,
        };
        Ok(turn.filter(|_| reply.send_now(&Word::Started).is_ok()))
    }

    /// Waits until a program has ended, its time is over, or nobody listens; then all that came from it ends.
    async fn look_after(
        &self,
        (mark, status): (Mark, oneshot::Receiver<WaitStatus>),
        timeout: Duration,
        reply: &Channel,
    ) -> Ended {
        let mut ended = Ended::default();
        tokio::select! {
            Ok(status) = status => {
                (ended.code, ended.signal) = (status.exit_status(), status.terminating_signal());
            }
            () = sleep(timeout) => ended.timed_out = true,
            () = reply.closed() => {}
        }
        self.family.end(mark).await;
        ended
    }

    /// Takes what is declared now, and says what of it could not be started.
    fn read_again(&self) -> Result<Vec<String>, Vec<String>> {
        let (declared, unready) = read(&self.flags)?;
        self.declared.store(Arc::new(declared));
        Ok(unready)
    }
}

fn read(flags: &RunnerFlags) -> Result<(Declarations, Vec<String>), Vec<String>> {
    let declared = Config::declared(flags.config.as_deref(), &flags.writable)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let unready = declared.unready();
    Ok((declared, unready))
}
