//! The one guard against the costly build: AWS-LC's own source of entropy burns about 30 ms of processor time at the
//! first random number of a process. This file holds one test, so that its first random number is the process's first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

fn processor_time() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or_default())
}

#[test]
fn the_first_random_number_costs_no_processor_time() {
    let before = processor_time();
    aws_lc_rs::rand::fill(&mut [0; 16]).unwrap();
    let spent = processor_time().saturating_sub(before);
    assert!(
        spent < Duration::from_millis(10),
        "{spent:?}: this build collects its own entropy; set AWS_LC_SYS_NO_JITTER_ENTROPY=1 as .cargo/config.toml does",
    );
}
