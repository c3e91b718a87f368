//! The same with many hosts: a window moves over them, answers are shown as the person wants them, and at the end everybody is
//! accounted for.

mod answers;
mod last;
mod lists;
mod progress;
mod tally;
mod which;
mod window;

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::process;
use std::time::Instant;

use tokio::signal::ctrl_c;
use tokio::time::sleep;

pub(crate) use self::last::Last;
pub(crate) use self::which::Chosen;
pub use self::which::{Care, Filter, Which};

use self::answers::Answers;
use self::progress::Progress;
use self::tally::Tally;
use crate::caller::Caller;
use crate::client::Client;
use crate::desk::Desk;
use crate::error::{Failure, Kind, Trouble};
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::plain;
use crate::selection::fold;

/// Many hosts with which the same is done.
pub(crate) struct Fleet<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) which: &'a Which,
    pub(crate) words: Words,
}

/// What is said of a host, by what is done with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    /// What has become of it when all is well, such as `adopted`.
    pub(crate) done: &'static str,
    /// What it is called when something at this desk is in the way.
    pub(crate) not_begun: Kind,
    /// What mends that, where nothing better is known.
    pub(crate) hint: &'static str,
}

/// Of a host that was only asked something.
pub(crate) const ANSWERED: Words =
    Words { done: "answered", not_begun: Kind::NotAsked, hint: "mend that and ask it again" };

impl Fleet<'_> {
    /// Asks each, over a connection of its own.
    pub(crate) async fn ask<T: Show>(
        &self,
        hosts: &[String],
        asks: impl AsyncFn(&mut Client) -> Result<T, Trouble>,
    ) -> Result<Exit, Trouble> {
        let caller = Caller::at(self.desk)?;
        let chosen = self.which.choose(hosts, self.desk, &caller.inventory)?;
        let caller = if chosen.is_one { caller } else { caller.of_many() };
        let exit = self.each(&chosen, async |host| asks(&mut caller.meet(host).await?).await).await?;
        let end_soon = caller.end_soon();
        if !end_soon.is_empty() {
            let hosts = fold(end_soon.iter().map(String::as_str));
            let what =
                format!("certificates that end soon: {hosts}; renew them with: controller renew '{hosts}'");
            self.desk.remark(&what);
        }
        Ok(exit)
    }

    /// Does it with each, and reports.
    pub(crate) async fn each<T: Show>(
        &self,
        chosen: &Chosen,
        job: impl AsyncFn(&str) -> Result<T, Trouble>,
    ) -> Result<Exit, Trouble> {
        let labels = &chosen.labels;
        if chosen.is_one && self.desk.suits_one() {
            let answer = job(&labels[0]).await?;
            self.desk.show(&labels[0], &answer)?;
            return Ok(Exit::Answered);
        }
        let mut answers = Answers::new(self.desk, labels, &self.which.look)?;
        let streams = answers.streams();
        let hear = |index, outcome| answers.take(index, outcome);
        let (tally, exit) = self.visit(labels, streams, job, hear).await?;
        answers.end(&tally)?;
        self.close(&tally, labels);
        Ok(exit)
    }

    /// Does it with each, and returns what was found in the order in which they were named; who failed has none.
    pub(crate) async fn gather<T: Show>(
        &self,
        chosen: &Chosen,
        job: impl AsyncFn(&str) -> Result<T, Trouble>,
    ) -> Result<(Vec<T>, Exit), Trouble> {
        let labels = &chosen.labels;
        let mut found = Vec::new();
        let hear = |index: usize, outcome: Result<T, Failure>| {
            found.extend(outcome.ok().map(|answer| (index, answer)));
            Ok(())
        };
        let (tally, exit) = self.visit(labels, false, job, hear).await?;
        found.sort_by_key(|(index, _)| *index);
        if !chosen.is_one {
            self.close(&tally, labels);
        }
        Ok((found.into_iter().map(|(_, answer)| answer).collect(), exit))
    }

    fn close(&self, tally: &Tally, labels: &[String]) {
        if let Err(trouble) = Last::of(tally, labels).note(&self.desk.home) {
            // Somebody may act on those that failed.
            let (what, ..) = trouble.told();
            self.desk.say(&format!("controller: @last is still of a run before this one: {}", plain(&what)));
        }
        tally.tell(self.desk, labels, self.words.done);
    }

    /// Goes through the list, as carefully as was asked for, and counts.
    async fn visit<T: Show>(
        &self,
        labels: &[String],
        streams: bool,
        job: impl AsyncFn(&str) -> Result<T, Trouble>,
        mut hear: impl FnMut(usize, Result<T, Failure>) -> Result<(), Trouble>,
    ) -> Result<(Tally, Exit), Trouble> {
        let (care, began) = (&self.which.care, Instant::now());
        let count = Count {
            labels,
            words: self.words,
            progress: Progress::new(self.desk, labels.len(), streams),
            tally: Tally::default(),
            trouble: None,
        };
        let count = RefCell::new(count);
        let begins = || {
            let count = count.borrow();
            count.trouble.is_none() && !care.stops_after(count.tally.failed())
        };
        let mut done = |index, outcome| count.borrow_mut().take(index, outcome, &mut hear);
        let (order, width) = (self.order(labels.len()), care.width());
        let all = async {
            let batch = care.batch.map_or(order.len(), |batch| batch as usize);
            for (at, batch) in order.chunks(batch.max(1)).enumerate() {
                if at > 0 && begins() {
                    sleep(care.pause.unwrap_or_default()).await;
                }
                let job = async |index: usize| job(&labels[index]).await;
                window::walk(batch, width, job, begins, &mut done).await;
            }
        };
        let interrupted = tokio::select! {
            () = all => false,
            _ = ctrl_c() => true,
        };
        let Count { mut tally, trouble, progress, .. } = count.into_inner();
        progress.clear();
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        tally.end(labels.len(), began.elapsed());
        if interrupted {
            end_at_once_when_told_again();
        }
        let exit = if interrupted { Exit::Interrupted } else { tally.exit() };
        Ok((tally, exit))
    }

    fn order(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        if self.which.care.random_order {
            let chance = RandomState::new();
            order.sort_by_cached_key(|index| chance.hash_one(index));
        }
        order
    }
}

/// What is counted while the window moves.
struct Count<'a> {
    labels: &'a [String],
    words: Words,
    progress: Progress,
    tally: Tally,
    /// Nobody is left to tell anything to.
    trouble: Option<Trouble>,
}

impl Count<'_> {
    fn take<T: Show>(
        &mut self,
        index: usize,
        outcome: Result<T, Trouble>,
        hear: &mut impl FnMut(usize, Result<T, Failure>) -> Result<(), Trouble>,
    ) -> ControlFlow<()> {
        let Words { not_begun, hint, .. } = self.words;
        let outcome = match outcome {
            Err(cannot @ Trouble::Stdout(_)) => return self.give_up(cannot),
            outcome => outcome.map_err(|trouble| trouble.of_host(&self.labels[index], not_begun, hint)),
        };
        match &outcome {
            Ok(answer) => self.tally.take(index, answer.odd()),
            Err(failure) => self.tally.fail(index, failure),
        }
        self.progress.show(self.tally.done(), self.tally.failed());
        match hear(index, outcome) {
            Ok(()) => ControlFlow::Continue(()),
            Err(cannot) => self.give_up(cannot),
        }
    }

    fn give_up(&mut self, cannot: Trouble) -> ControlFlow<()> {
        self.trouble = Some(cannot);
        ControlFlow::Break(())
    }
}

/// What was heard is still printed, but for who does not want to wait for that.
fn end_at_once_when_told_again() {
    tokio::spawn(async {
        if ctrl_c().await.is_ok() {
            process::exit(Exit::Interrupted.code());
        }
    });
}
