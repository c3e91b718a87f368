//! The shapes of an answer: a value that is ready, a value that somebody must wait for, a stream, and none.

use std::future::Future;

use futures_util::stream::{BoxStream, Stream, StreamExt, once};
use protocol::message::Outcome;
use protocol::{Answer, Refusal, Request};
use tokio::task::spawn_blocking;

/// The steps in which a request is answered.
pub(crate) type Steps = BoxStream<'static, Outcome<Answer>>;

/// How a request gets answered.
pub(crate) enum Response {
    /// Here it is: for what takes microseconds.
    Now(Answer),
    /// In a while; the one step is an answer or a refusal.
    Later(Steps),
    /// Again and again; the last step is an end or a refusal.
    Stream(Steps),
    /// No.
    Refused(Refusal),
}

impl Response {
    /// An answer that is ready.
    pub(crate) fn now<R: Request>(ask: R, answer: impl FnOnce(R) -> R::Answer) -> Response {
        Response::Now(R::into_answer(answer(ask)))
    }

    /// An answer that somebody must wait for.
    pub(crate) fn later<R, F>(ask: R, answer: impl FnOnce(R) -> F) -> Response
    where
        R: Request,
        F: Future<Output = Result<R::Answer, Refusal>> + Send + 'static,
    {
        let answer = answer(ask);
        let step = async {
            answer.await.map_or_else(Outcome::Refusal, |answer| Outcome::Answer(R::into_answer(answer)))
        };
        Response::Later(once(step).boxed())
    }

    /// An answer that is a stream.
    pub(crate) fn stream<R, S>(ask: R, answer: impl FnOnce(R) -> S) -> Response
    where
        R: Request,
        S: Stream<Item = Result<R::Answer, Refusal>> + Send + 'static,
    {
        let step = |item: Result<R::Answer, Refusal>| {
            item.map_or_else(Outcome::Refusal, |item| Outcome::Item(R::into_answer(item)))
        };
        Response::Stream(answer(ask).map(step).chain(once(async { Outcome::End })).boxed())
    }

    /// The same, and something is kept until it is over.
    pub(crate) fn keeping<T: Send + 'static>(self, kept: T) -> Response {
        let keep = |steps: Steps| {
            steps
                .map(move |step| {
                    let _in_flight = &kept;
                    step
                })
                .boxed()
        };
        match self {
            Response::Later(steps) => Response::Later(keep(steps)),
            Response::Stream(steps) => Response::Stream(keep(steps)),
            at_once => at_once,
        }
    }
}

/// Does what waits for a disk on another thread: this one serves everybody.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(Refusal::failed("this agent could not finish that", &error)));
    done.inspect_err(|refusal| tracing::warn!("{}", refusal.message))
}
