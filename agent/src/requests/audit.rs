//! What was asked of this agent, as its audit log has it.

use std::io;

use futures_util::stream::{self, Stream, TryStreamExt};
use protocol::Refusal;
use protocol::requests::audit::{Audit as Ask, Records};
use tokio::task::spawn_blocking;

use crate::audit::{Audit, Reading};

/// Which records are still to be sent.
struct Rest {
    reading: Reading,
    oldest: u64,
    until: u64,
    is_first: bool,
}

pub(super) fn answer(
    ask: Ask,
    audit: Audit,
) -> impl Stream<Item = Result<Records, Refusal>> + Send + 'static {
    let begun = async move { Ok(stream::unfold(Some(begin(ask, audit).await?), more)) };
    stream::once(begun).try_flatten()
}

async fn begin(ask: Ask, audit: Audit) -> Result<Rest, Refusal> {
    let mut reading = audit.reading().await.map_err(|why| Refusal::failed("there are no records", &why))?;
    let newest = reading.newest;
    let (since, count) = match (ask.last, ask.since) {
        (Some(last), None) => ((newest + 1).saturating_sub(last), last),
        (None, Some(since)) => (since, ask.count.unwrap_or(u64::MAX)),
        _ => return Err(Refusal::bad_request("audit", &"it takes either `last` or `since`")),
    };
    let until = newest.min(since.saturating_add(count).saturating_sub(1));
    let begun = spawn_blocking(move || reading.begin(since).map(|oldest| (reading, oldest)));
    let (reading, oldest) = flat(begun.await)?;
    Ok(Rest { reading, oldest, until, is_first: true })
}

/// The next lines. Without any there is one answer all the same: it says which records there are.
async fn more(rest: Option<Rest>) -> Option<(Result<Records, Refusal>, Option<Rest>)> {
    let mut rest = rest?;
    let read = spawn_blocking(move || rest.reading.more(rest.until).map(|lines| (rest, lines)));
    match flat(read.await) {
        Err(refusal) => Some((Err(refusal), None)),
        Ok((rest, lines)) if lines.is_empty() && !rest.is_first => None,
        Ok((rest, lines)) => {
            let records = Records { oldest: rest.oldest, newest: rest.reading.newest, lines: lines.into() };
            Some((Ok(records), Some(Rest { is_first: false, ..rest })))
        }
    }
}

fn flat<T>(done: Result<io::Result<T>, tokio::task::JoinError>) -> Result<T, Refusal> {
    let failed =
        |error: &dyn std::fmt::Display| Refusal::failed("the audit log cannot be read", &error.to_string());
    done.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}
