//! How busy the processors are, over a span that is told. Nothing ticks: the last sample waits for the next ask.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::source::{self, HostError};

const STAT: &str = "/proc/stat";
/// What a first measurement takes. The kernel counts in hundredths of a second, so less would be mostly noise.
const SPAN: Duration = Duration::from_millis(200);
/// Up to this age a measurement is used again. Shorter than [`SPAN`], so that a watcher asking five times a second
/// has a new one each time although its timer wavers.
const FRESH: Duration = Duration::from_millis(150);
/// A sample older than this tells of the past, not of now.
const STALE: Duration = Duration::from_secs(60);

type Source = Box<dyn Fn() -> Result<String, HostError> + Send + Sync>;

/// Measures when asked; askers at the same time share one measurement.
pub(super) struct Meter {
    read: Source,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    sample: Option<Sample>,
    busy: Option<Busy>,
}

/// The share of all cores that was busy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Busy {
    pub(super) ratio: f64,
    pub(super) over: Duration,
    /// As the scheduler sees them.
    pub(super) cores: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    ticks: Ticks,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter::reading(Box::new(|| source::text(STAT)))
    }

    fn reading(read: Source) -> Meter {
        // Should it fail, the first ask fails too and tells why.
        let sample = sample(&read).ok();
        Meter { read, last: Mutex::new(Last { sample, busy: None }) }
    }

    /// Waits only when there is no sample of a useful age.
    pub(super) async fn measure(&self) -> Result<Busy, HostError> {
        let mut last = self.last.lock().await;
        let start = match (last.sample, last.busy) {
            (Some(sample), Some(busy)) if sample.at.elapsed() < FRESH => return Ok(busy),
            (Some(sample), _) if sample.at.elapsed() <= STALE => sample,
            _ => sample(&self.read)?,
        };
        if start.at.elapsed() < FRESH {
            sleep(SPAN.saturating_sub(start.at.elapsed())).await;
        }
        let end = sample(&self.read)?;
        let busy = Busy {
            ratio: start.ticks.busy_until(end.ticks),
            over: end.at.duration_since(start.at),
            cores: end.ticks.cores,
        };
        *last = Last { sample: Some(end), busy: Some(busy) };
        Ok(busy)
    }
}

fn sample(read: &Source) -> Result<Sample, HostError> {
    let ticks = Ticks::parse(&read()?).ok_or_else(|| HostError::odd(STAT))?;
    Ok(Sample { at: Instant::now(), ticks })
}

/// What the kernel has counted since boot.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ticks {
    busy: u64,
    all: u64,
    cores: usize,
}

impl Ticks {
    fn parse(stat: &str) -> Option<Ticks> {
        let mut lines = stat.lines();
        // user, nice, system, idle, iowait, irq, softirq, steal. The guests' time behind them is part of user.
        let counted: Vec<u64> = lines
            .next()?
            .strip_prefix("cpu ")?
            .split_ascii_whitespace()
            .take(8)
            .map(|number| number.parse().ok())
            .collect::<Option<_>>()?;
        let all = counted.iter().sum();
        // Steal counts as busy: this machine wanted that time and did not get it.
        let idle = counted.get(3)? + counted.get(4).unwrap_or(&0);
        Some(Ticks { busy: all - idle, all, cores: lines.take_while(|line| line.starts_with("cpu")).count() })
    }

    /// The kernel lets a counter fall now and then, so the differences are kept within reason.
    fn busy_until(self, end: Ticks) -> f64 {
        let all = end.all.saturating_sub(self.all).max(1);
        (end.busy.saturating_sub(self.busy) as f64 / all as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const TEXT: &str = "cpu  100 20 30 800 50 4 6 10 7 0\ncpu0 50 10 15 400 25 2 3 5 7 0\n\
                        cpu1 50 10 15 400 25 2 3 5 0 0\nintr 181041 0 0\nctxt 263186\n";

    #[test]
    fn counts_waiting_as_idle_and_steal_as_busy() {
        assert_eq!(Ticks::parse(TEXT), Some(Ticks { busy: 170, all: 1020, cores: 2 }));
        assert_eq!(Ticks::parse(""), None);
        assert_eq!(Ticks::parse("cpu  1 2 x 4\n"), None);
    }

    #[test]
    fn the_share_lies_between_nothing_and_all() {
        let ticks = |busy, all| Ticks { busy, all, cores: 1 };
        assert_eq!(ticks(10, 100).busy_until(ticks(35, 200)), 0.25);
        assert_eq!(ticks(10, 100).busy_until(ticks(10, 100)), 0.0);
        assert_eq!(ticks(10, 100).busy_until(ticks(120, 200)), 1.0);
        assert_eq!(ticks(50, 100).busy_until(ticks(40, 90)), 0.0);
    }

    /// A machine whose every read shows 10 more ticks of which 4 were busy.
    fn meter() -> (Meter, Arc<AtomicU64>) {
        let reads = Arc::new(AtomicU64::new(0));
        let counted = reads.clone();
        let read = move || {
            let n = counted.fetch_add(1, Ordering::SeqCst);
            Ok(format!("cpu  {} 0 0 {} 0 0 0 0 0 0\ncpu0 1 1 1 1\n", 4 * n, 6 * n))
        };
        (Meter::reading(Box::new(read)), reads)
    }

    fn age(meter: &mut Meter, by: Duration) {
        let sample = meter.last.get_mut().sample.as_mut().unwrap();
        sample.at = sample.at.checked_sub(by).unwrap();
    }

    #[tokio::test]
    async fn askers_at_the_same_time_share_a_measurement() {
        let (meter, reads) = meter();
        let (one, two) = tokio::join!(meter.measure(), meter.measure());
        let one = one.unwrap();
        assert_eq!(one, two.unwrap());
        assert_eq!(one.ratio, 0.4);
        assert!(one.over >= SPAN, "{one:?}");
        assert_eq!(reads.load(Ordering::SeqCst), 2, "the first sample and one more");
    }

    #[tokio::test]
    async fn a_sample_of_useful_age_is_measured_against_without_waiting() {
        let (mut meter, _) = meter();
        age(&mut meter, Duration::from_secs(50));
        let busy = meter.measure().await.unwrap();
        assert!(busy.over >= Duration::from_secs(50), "{busy:?}");
    }

    #[tokio::test]
    async fn an_old_sample_is_not_measured_against() {
        let (mut meter, reads) = meter();
        age(&mut meter, STALE * 2);
        let busy = meter.measure().await.unwrap();
        assert!(busy.over >= SPAN && busy.over < STALE, "{busy:?}");
        assert_eq!(reads.load(Ordering::SeqCst), 3, "two new samples after the first");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error() {
        let meter = Meter::reading(Box::new(|| Err(HostError::odd(STAT))));
        assert!(meter.measure().await.unwrap_err().to_string().contains(STAT));
    }
}
