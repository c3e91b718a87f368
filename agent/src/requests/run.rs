//! A declared command: what it writes, as it writes it, and how it ended. It waits for whoever reads slowly.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use protocol::Refusal;
use protocol::requests::explain::Declared;
use protocol::requests::run::{Piece, Run};

use crate::requests::Subject;
use crate::runner::{Job, Step};

/// A command that runs, and how much of what it wrote was told.
struct Telling {
    job: Job,
    limit: u64,
    written: u64,
    sent: u64,
    has_ended: bool,
}

pub(super) fn answer(
    ask: Run,
    subject: Arc<Subject>,
) -> impl Stream<Item = Result<Piece, Refusal>> + Send + 'static {
    stream::once(begin(ask, subject)).flat_map(|begun| match begun {
        Ok(telling) => stream::unfold(Some(telling), |telling| async { next(telling?).await }).boxed(),
        Err(refusal) => stream::iter([Err(refusal)]).boxed(),
    })
}

async fn begin(ask: Run, subject: Arc<Subject>) -> Result<Telling, Refusal> {
    let Run { name, parameters } = ask;
    let limit = subject.declared.load().find(Declared::Run, &name)?.max_output;
    let runner = subject.runner_for(Declared::Run, &name, &parameters)?;
    let job = runner.start(Declared::Run, name, parameters).await?;
    Ok(Telling { job, limit, written: 0, sent: 0, has_ended: false })
}

/// The next piece, and what goes on after it: nothing after the last.
async fn next(mut telling: Telling) -> Option<(Result<Piece, Refusal>, Option<Telling>)> {
    if telling.has_ended {
        return None;
    }
    match telling.piece().await {
        Ok(piece) => Some((Ok(piece), Some(telling))),
        Err(refusal) => Some((Err(refusal), None)),
    }
}

impl Telling {
    async fn piece(&mut self) -> Result<Piece, Refusal> {
        loop {
            match self.job.next().await? {
                Step::Ended(ending) => {
                    self.has_ended = true;
                    let ended = ending.told(self.written, self.sent);
                    return Ok(Piece { ended: Some(ended), ..Piece::default() });
                }
                Step::Wrote(to, bytes) => {
                    let bytes = self.within_limit(&bytes);
                    // What goes beyond is counted, and the program does not wait for it.
                    if !bytes.is_empty() {
                        return Ok(Piece { to: Some(to), bytes, ..Piece::default() });
                    }
                }
            }
        }
    }

    fn within_limit(&mut self, bytes: &Bytes) -> Bytes {
        self.written += bytes.len() as u64;
        let room = usize::try_from(self.limit - self.sent).unwrap_or(usize::MAX);
        let bytes = bytes.slice(..bytes.len().min(room));
        self.sent += bytes.len() as u64;
        bytes
    }
}
