//! The facts of `info`, again and again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use futures_util::stream::{self, Stream, StreamExt};
use protocol::Refusal;
use protocol::requests::watch::{MAX_EVERY_SECONDS, MIN_EVERY_SECONDS, Machine, Watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::requests::{Subject, info};

pub(super) fn answer(
    ask: Watch,
    subject: Arc<Subject>,
) -> impl Stream<Item = Result<Machine, Refusal>> + Send + 'static {
    if !(MIN_EVERY_SECONDS..=MAX_EVERY_SECONDS).contains(&ask.every_seconds) {
        let fault = format!("every_seconds is a number from {MIN_EVERY_SECONDS} to {MAX_EVERY_SECONDS}");
        return Either::Left(stream::iter([Err(Refusal::bad_request("watch", &fault))]));
    }
    let mut clock = interval(Duration::from_secs_f64(ask.every_seconds));
    // A slow reader gets fewer answers, not a burst of old ones.
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let count = ask.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let items = stream::unfold(clock, move |mut clock| {
        let (subject, sections) = (Arc::clone(&subject), ask.sections.clone());
        async move {
            clock.tick().await;
            Some((info::gather(&subject, &sections).await, clock))
        }
    });
    Either::Right(items.take(count))
}
