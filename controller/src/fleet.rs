//! The same with many hosts: a window moves over them, answers are shown as the person wants them, and at the end everybody is
//! accounted for.

mod answers;
mod last;
mod lists;
mod progress;
mod tally;
mod which;
mod window;

use std::cell::{Cell, RefCell};
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
        let (tally, exit) = self.visit(labels, streams, self.told(job), hear).await?;
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
        let (tally, exit) = self.visit(labels, false, self.told(job), hear).await?;
        found.sort_by_key(|(index, _)| *index);
        if !chosen.is_one {
            self.close(&tally, labels);
        }
        Ok((found.into_iter().map(|(_, answer)| answer).collect(), exit))
    }

    /// The same job, whose troubles are told of the host.
    fn told<T>(
        &self,
        job: impl AsyncFn(&str) -> Result<T, Trouble>,
    ) -> impl AsyncFn(&str) -> Result<T, Failure> {
        let Words { not_begun, hint, .. } = self.words;
        async move |host: &str| job(host).await.map_err(|trouble| trouble.of_host(host, not_begun, hint))
    }

    fn close(&self, tally: &Tally, labels: &[String]) {
        // Where nothing can be noted, nothing was noted: the answers are there.
        let _ = Last::of(tally, labels).note(&self.desk.home);
        tally.tell(self.desk, labels, self.words.done);
    }

    /// Goes through the list, as carefully as was asked for, and counts.
    async fn visit<T: Show>(
        &self,
        labels: &[String],
        streams: bool,
        job: impl AsyncFn(&str) -> Result<T, Failure>,
        mut hear: impl FnMut(usize, Result<T, Failure>) -> Result<(), Trouble>,
    ) -> Result<(Tally, Exit), Trouble> {
        let (care, began) = (&self.which.care, Instant::now());
        let (tally, trouble) = (RefCell::new(Tally::default()), Cell::new(None));
        let progress = Progress::new(self.desk, labels.len());
        let begins = || !care.stops_after(tally.borrow().failed());
        let mut done = |index: usize, outcome: Result<T, Failure>| {
            let mut tally = tally.borrow_mut();
            match &outcome {
                Ok(answer) => tally.take(index, answer.odd()),
                Err(failure) => tally.fail(index, failure),
            }
            if streams {
                progress.clear();
            }
            progress.show(tally.done(), tally.failed());
            let Err(cannot) = hear(index, outcome) else { return ControlFlow::Continue(()) };
            trouble.set(Some(cannot));
            ControlFlow::Break(())
        };
        let order = self.order(labels.len());
        let width = care.width();
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
        progress.clear();
        if let Some(trouble) = trouble.take() {
            return Err(trouble);
        }
        let mut tally = tally.into_inner();
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

/// What was heard is still printed, but for who does not want to wait for that.
fn end_at_once_when_told_again() {
    tokio::spawn(async {
        if ctrl_c().await.is_ok() {
            process::exit(Exit::Interrupted.code());
        }
    });
}
