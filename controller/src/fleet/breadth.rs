//! How wide the window may be, and how wide it is at the moment: wider while it mostly waits, for then its hosts are far away, and
//! narrow again when it has enough to do.

use std::time::Duration;

use tokio::time::Instant;

/// So often it is looked at.
const PERIOD: Duration = Duration::from_millis(20);

/// It changes by so many for each period.
const STEP: usize = 16;

/// How wide the window may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width {
    /// So many at the same time, where they are near.
    pub(super) near: usize,
    /// So many where they are far away: their answers are long on the way.
    pub(super) far: usize,
    /// With those who wait in vain, so many.
    pub(super) all: usize,
}

impl Width {
    /// Never more than this.
    pub(super) fn fixed(most: usize) -> Width {
        Width { near: most, far: most, all: most }
    }

    /// The same, where no more than this can be open.
    pub(super) fn within(self, most: usize) -> Width {
        Width { near: self.near.min(most), far: self.far.min(most), all: self.all.min(most) }
    }
}

/// A breadth that goes with how much of its time the window rests.
pub(super) struct Breadth {
    width: Width,
    now: usize,
    /// Of this period: when it began, and how long nothing was to be done.
    began: Instant,
    rested: Duration,
    rests_since: Option<Instant>,
}

impl Breadth {
    pub(super) fn new(width: Width) -> Breadth {
        Breadth { width, now: width.near, began: Instant::now(), rested: Duration::ZERO, rests_since: None }
    }

    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// Nothing is to be done until somebody is heard.
    pub(super) fn rest(&mut self) {
        self.rests_since = Some(Instant::now());
    }

    /// There may be something to do. Whether the window is wider than before.
    pub(super) fn wake(&mut self) -> bool {
        let (before, now) = (self.now, Instant::now());
        self.rested += self.rests_since.take().map_or(Duration::ZERO, |since| now - since);
        let passed = now - self.began;
        if passed < PERIOD {
            return false;
        }
        let Width { near, far, .. } = self.width;
        if self.rested * 2 > passed {
            let periods = usize::try_from(passed.as_nanos() / PERIOD.as_nanos()).unwrap_or(usize::MAX);
            self.now = before.saturating_add(periods.saturating_mul(STEP)).min(far);
        } else if self.rested * 8 < passed {
            self.now = before.saturating_sub(STEP).max(near);
        }
        (self.began, self.rested) = (now, Duration::ZERO);
        self.now > before
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const WIDTH: Width = Width { near: 64, far: 256, all: 4096 };

    /// The breadth after so many periods, of each of which so much is rest.
    async fn after(breadth: &mut Breadth, periods: u32, rested: Duration) -> usize {
        for _ in 0..periods {
            breadth.rest();
            advance(rested).await;
            breadth.wake();
            advance(PERIOD - rested).await;
            breadth.wake();
        }
        breadth.now()
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_with_how_much_of_its_time_the_window_rests() {
        let mut breadth = Breadth::new(WIDTH);
        assert_eq!(after(&mut breadth, 4, PERIOD / 3).await, 64);
        assert_eq!(after(&mut breadth, 4, PERIOD * 2 / 3).await, 64 + 4 * STEP);
        assert_eq!(after(&mut breadth, 4, PERIOD / 3).await, 64 + 4 * STEP);
        assert_eq!(after(&mut breadth, 2, PERIOD / 10).await, 64 + 2 * STEP);
        assert_eq!(after(&mut breadth, 9, Duration::ZERO).await, 64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_rest_counts_for_all_its_periods() {
        let mut breadth = Breadth::new(WIDTH);
        breadth.rest();
        advance(PERIOD * 5).await;
        assert!(breadth.wake());
        assert_eq!(breadth.now(), 64 + 5 * STEP);
        breadth.rest();
        advance(PERIOD * 5000).await;
        assert!(breadth.wake());
        assert_eq!(breadth.now(), 256);
    }
}
