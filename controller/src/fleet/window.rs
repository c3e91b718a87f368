//! Some at a time, out of many: a window moves over the list, as wide as it has to be. There is no task for each, and whoever waits in
//! vain holds nobody else up.

use std::cell::Cell;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;
use tokio::task::unconstrained;
use tokio::time::timeout;

use super::breadth::{Breadth, Width};

/// Whoever is not done by then is waiting for somebody: another one may begin.
const SLOW: Duration = Duration::from_millis(250);

/// Does the job with each, and tells of each as it is done. Ends early, without those that are not done, when it is told to.
///
/// So many of the first are `doubtful`: they take nobody's place. `begins` says whether another one may begin.
pub(super) async fn walk<'a, T>(
    (list, doubtful): (&[usize], usize),
    width: Width,
    job: &(dyn Fn(usize) -> LocalBoxFuture<'a, T> + 'a),
    begins: impl Fn() -> bool,
    mut done: impl FnMut(usize, T) -> ControlFlow<()>,
) {
    let (slow, freed) = (Cell::new(0), Notify::new());
    let (slow, freed) = (&slow, &freed);
    let one = |index: usize, patience: Duration| async move {
        let mut job = job(index);
        if let Ok(outcome) = timeout(patience, &mut job).await {
            return (index, outcome);
        }
        slow.set(slow.get() + 1);
        freed.notify_one();
        let outcome = job.await;
        slow.set(slow.get() - 1);
        (index, outcome)
    };
    let mut list = list.iter().copied().enumerate();
    let (mut open, mut breadth) = (FuturesUnordered::new(), Breadth::new(width));
    loop {
        while open.len() < width.all && open.len() - slow.get() < breadth.now() && begins() {
            let Some((at, index)) = list.next() else { break };
            open.push(one(index, if at < doubtful { Duration::ZERO } else { SLOW }));
        }
        let next = poll_fn(|cx| {
            if breadth.wake() {
                freed.notify_one();
            }
            let next = open.poll_next_unpin(cx);
            if next.is_pending() {
                breadth.rest();
            }
            next
        });
        tokio::select! {
            // tokio wakes those whose budget is spent in reverse: whoever began first would be served last. Each connection has a
            // budget of its own.
            outcome = unconstrained(next) => {
                let Some((index, outcome)) = outcome else { return };
                if done(index, outcome).is_break() {
                    return;
                }
            }
            () = freed.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::pending;

    use futures_util::FutureExt;

    use tokio::task::coop::consume_budget;
    use tokio::time::{Instant, advance, sleep};

    const WIDTH: Width = Width { near: 4, far: 4, all: 64 };

    /// The most that were open at the same time, and in which order they were done.
    async fn walked(width: Width, count: usize, job: impl AsyncFn(usize)) -> (usize, Vec<usize>) {
        walked_doubting(0, width, count, job).await
    }

    async fn walked_doubting(
        doubtful: usize,
        width: Width,
        count: usize,
        job: impl AsyncFn(usize),
    ) -> (usize, Vec<usize>) {
        let (now, most, order) = (&Cell::new(0), &Cell::new(0), RefCell::new(Vec::new()));
        let (list, job): (Vec<usize>, _) = ((0..count).collect(), &job);
        let job = move |index| {
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                job(index).await;
                now.set(now.get() - 1);
            }
            .boxed_local()
        };
        let done = |index, ()| {
            order.borrow_mut().push(index);
            ControlFlow::Continue(())
        };
        walk((&list, doubtful), width, &job, || true, done).await;
        (most.get(), order.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_window_is_wide_and_nobody_is_lost() {
        let (most, mut order) = walked(WIDTH, 100, async |_| sleep(Duration::from_millis(100)).await).await;
        order.sort_unstable();
        assert_eq!((most, order), (4, (0..100).collect()));
    }

    #[tokio::test(start_paused = true)]
    async fn it_widens_for_those_who_are_far_away_and_for_no_others() {
        let width = Width { near: 4, far: 40, all: 64 };
        let far = async |index| sleep(Duration::from_millis(50 + index as u64 * 37 % 100)).await;
        let (most, order) = walked(width, 400, far).await;
        assert_eq!((most, order.len()), (40, 400));
        let near = async |_| {
            sleep(Duration::from_millis(1)).await;
            advance(Duration::from_millis(3)).await;
        };
        let (most, order) = walked(width, 400, near).await;
        assert_eq!((most, order.len()), (4, 400));
    }

    #[tokio::test]
    async fn who_began_first_is_not_kept_waiting_by_those_behind_him() {
        let much_to_do = async |_| {
            for _ in 0..50 {
                consume_budget().await;
            }
        };
        let (_, order) = walked(Width::fixed(64), 64, much_to_do).await;
        assert_eq!(order, (0..64).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_in_vain_holds_nobody_up() {
        let began = Instant::now();
        let job = async |index| {
            let time = if index < 40 { Duration::from_secs(10) } else { Duration::from_millis(10) };
            sleep(time).await;
        };
        let (most, order) = walked(WIDTH, 100, job).await;
        assert_eq!((order.len(), order[0]), (100, 40));
        assert!(most > 40 && most <= 44, "{most}");
        assert!(began.elapsed() < Duration::from_secs(16), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_doubtful_takes_nobodys_place() {
        let began = Instant::now();
        let first_good = Cell::new(None);
        let job = async |index| {
            if index < 40 {
                sleep(Duration::from_secs(10)).await;
            } else if first_good.get().is_none() {
                first_good.set(Some(began.elapsed()));
            }
        };
        let (most, order) = walked_doubting(40, WIDTH, 100, job).await;
        assert_eq!((order.len(), order[0]), (100, 40));
        assert!(most > 40 && most <= 44, "{most}");
        assert!(first_good.get().unwrap() < SLOW, "{first_good:?}");
        assert!(began.elapsed() < Duration::from_secs(10) + SLOW, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_must_not_widen_does_not() {
        let (most, _) = walked(Width::fixed(4), 20, async |_| sleep(Duration::from_secs(1)).await).await;
        assert_eq!(most, 4);
    }

    #[tokio::test]
    async fn it_ends_when_it_is_told_to() {
        let done = Cell::new(0);
        let job = |index| {
            let waits_for_ever = index % 2 == 1;
            async move {
                if waits_for_ever {
                    pending().await
                }
            }
            .boxed_local()
        };
        let count = |_, ()| {
            done.set(done.get() + 1);
            if done.get() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        walk((&[0, 1, 2, 3, 4, 5, 6, 8], 0), Width::fixed(6), &job, || true, count).await;
        assert_eq!(done.get(), 3);
        walk((&[0, 2], 0), WIDTH, &|_| async {}.boxed_local(), || false, |_, ()| unreachable!()).await;
    }
}
