//! The same with many hosts: a window moves over them, answers are shown as the person wants them, and at the end everybody is
//! accounted for.

mod answers;
mod breadth;
mod directory;
mod form;
mod last;
mod lists;
mod printer;
mod progress;
mod sorted;
mod tally;
mod which;
mod window;

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::mem::take;
use std::ops::ControlFlow;
use std::process;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::signal::ctrl_c;
use tokio::time::sleep;

pub(crate) use self::directory::Directory;
pub(crate) use self::which::Chosen;
pub use self::which::{Care, Filter, Which};

use self::answers::Answers;
use self::form::{Form, Part, Said};
use self::last::Last;
use self::printer::reader_left;
use self::progress::Progress;
use self::tally::Tally;
use crate::caller::Caller;
use crate::client::Client;
use crate::desk::Desk;
use crate::error::{Failure, Kind, Trouble};
use crate::exit::Exit;
use crate::output::human::plain;
use crate::output::{Format, Show};

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

/// What is done with the host at this place of the list. One type for all that is asked: there is one window.
type Job<'a> = dyn Fn(usize) -> LocalBoxFuture<'a, Result<Said, Trouble>> + 'a;

/// Who is told of each as it is done.
type Hear<'a> = dyn FnMut(usize, Result<Part, Failure>) -> Result<(), Trouble> + 'a;

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
        caller.tell_of_endings();
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
            return self.desk.show(&labels[0], &answer);
        }
        let form = Form::new(self.desk.format, &self.which.look)?;
        let mut answers = Answers::new(self.desk.format, labels, &form, &self.which.look)?;
        let (job, form) = (&job, &form);
        let job = move |index: usize| {
            let host = labels[index].as_str();
            async move { Ok(form.say(host, &job(host).await?)) }.boxed_local()
        };
        let hear = &mut |index, outcome: Result<Part, Failure>| match outcome {
            Ok(part) => answers.take(index, part),
            Err(failure) => answers.miss(index, &failure),
        };
        let (tally, exit) = self.visit(labels, form.streams(), &job, hear).await?;
        answers.end(&tally).await?;
        if !chosen.is_one {
            self.note(&tally, labels);
        }
        self.tell(&tally, labels);
        Ok(exit)
    }

    /// Does it with each, and returns what was found in the order in which they were named; who failed has none.
    pub(crate) async fn gather<T: Show>(
        &self,
        chosen: &Chosen,
        job: impl AsyncFn(&str) -> Result<T, Trouble>,
    ) -> Result<(Vec<T>, Exit), Trouble> {
        let labels = &chosen.labels;
        let found = RefCell::new(Vec::new());
        let (job, found_now) = (&job, &found);
        let job = move |index: usize| {
            let host = labels[index].as_str();
            async move {
                let answer = job(host).await?;
                let said = Said::of(Part::None, &answer);
                found_now.borrow_mut().push((index, answer));
                Ok(said)
            }
            .boxed_local()
        };
        let (tally, exit) = self.visit(labels, false, &job, &mut |_, _| Ok(())).await?;
        if !chosen.is_one {
            self.note(&tally, labels);
        }
        if !chosen.is_one || tally.failed() > 0 {
            // A monitoring system may take both outputs for one, and what it reads names everybody who was asked.
            if self.desk.format != Format::Nagios || !tally.pending.is_empty() {
                self.tell(&tally, labels);
            }
        }
        let mut found = found.into_inner();
        found.sort_by_key(|(index, _)| *index);
        Ok((found.into_iter().map(|(_, answer)| answer).collect(), exit))
    }

    fn note(&self, tally: &Tally, labels: &[String]) {
        if let Err(trouble) = Last::of(tally, labels).note(&self.desk.home) {
            // Somebody may act on those that failed.
            let (what, ..) = trouble.told();
            self.desk.say(&format!("controller: @last is still of a run before this one: {}", plain(&what)));
        }
    }

    fn tell(&self, tally: &Tally, labels: &[String]) {
        tally.tell(self.desk, labels, self.words.done);
        if self.which.care.stops_after(tally.failed()) && !tally.pending.is_empty() {
            self.desk.remark("nobody more was asked: --max-fail was reached");
        }
    }

    /// Goes through the list, as carefully as was asked for, and counts.
    async fn visit(
        &self,
        labels: &[String],
        streams: bool,
        job: &Job<'_>,
        hear: &mut Hear<'_>,
    ) -> Result<(Tally, Exit), Trouble> {
        let (care, began) = (&self.which.care, Instant::now());
        let count = Count {
            labels,
            words: self.words,
            progress: Progress::new(self.desk, labels.len(), care, streams),
            tally: Tally::default(),
            trouble: None,
        };
        let count = RefCell::new(count);
        let begins = || {
            let count = count.borrow();
            count.trouble.is_none() && !care.stops_after(count.tally.failed())
        };
        let mut done = |index, outcome| count.borrow_mut().take(index, outcome, hear);
        let (order, mut doubtful) = self.order(labels);
        let width = care.width();
        let all = async {
            for (at, batch) in order.chunks(care.batch_of(order.len())).enumerate() {
                if at > 0 && begins() {
                    count.borrow_mut().pause();
                    sleep(care.pause.unwrap_or_default()).await;
                }
                window::walk((batch, take(&mut doubtful)), width, job, begins, &mut done).await;
            }
        };
        let interrupted = tokio::select! {
            () = all => false,
            _ = ctrl_c() => true,
            // For nobody, nobody is asked.
            () = reader_left(), if streams => {
                return Err(Trouble::Stdout(ErrorKind::BrokenPipe.into()));
            }
        };
        let Count { mut tally, trouble, mut progress, .. } = count.into_inner();
        progress.clear();
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        tally.end(labels.len(), began.elapsed());
        end_at_once_when_told();
        let exit = if interrupted { Exit::Interrupted } else { tally.exit() };
        Ok((tally, exit))
    }

    /// Who was not reached in the last run begins first, and is doubtful: the timeout passes while others are asked.
    fn order(&self, labels: &[String]) -> (Vec<usize>, usize) {
        let care = &self.which.care;
        let mut order: Vec<usize> = (0..labels.len()).collect();
        if care.random_order {
            let chance = RandomState::new();
            order.sort_by_cached_key(|index| chance.hash_one(index));
        }
        if care.is_asked_for() {
            return (order, 0);
        }
        let unreached = Last::unreached(&self.desk.home);
        let is_doubtful = |index: &usize| unreached.contains(&labels[*index]);
        order.sort_by_key(|index| !is_doubtful(index));
        let doubtful = order.partition_point(is_doubtful);
        (order, doubtful)
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
    fn take(&mut self, index: usize, outcome: Result<Said, Trouble>, hear: &mut Hear<'_>) -> ControlFlow<()> {
        let Words { not_begun, hint, .. } = self.words;
        let outcome = match outcome {
            Err(cannot @ Trouble::Stdout(_)) => return self.give_up(cannot),
            outcome => outcome.map_err(|trouble| trouble.of_host(&self.labels[index], not_begun, hint)),
        };
        let outcome = match outcome {
            Ok(Said { part, odd, failure }) => {
                match failure {
                    Some(failure) => self.tally.fail(index, &failure),
                    None => self.tally.take(index, odd),
                }
                Ok(part)
            }
            Err(failure) => {
                self.tally.fail(index, &failure);
                Err(failure)
            }
        };
        self.progress.show(self.tally.done(), self.tally.failed());
        match hear(index, outcome) {
            Ok(()) => ControlFlow::Continue(()),
            Err(cannot) => self.give_up(cannot),
        }
    }

    fn pause(&mut self) {
        self.progress.pause(self.tally.done(), self.tally.failed());
    }

    fn give_up(&mut self, cannot: Trouble) -> ControlFlow<()> {
        self.trouble = Some(cannot);
        ControlFlow::Break(())
    }
}

/// What was heard is still printed, but for who does not want to wait for that.
fn end_at_once_when_told() {
    tokio::spawn(async {
        if ctrl_c().await.is_ok() {
            process::exit(Exit::Interrupted.code());
        }
    });
}
