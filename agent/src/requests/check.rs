//! A declared check, run to its end, and what its exit code means.

use std::sync::Arc;

use bytes::BytesMut;
use protocol::Refusal;
use protocol::requests::check::{Check, Checked, State};
use protocol::requests::explain::Declared;
use protocol::requests::run::{Ended, Output};

use crate::requests::Subject;
use crate::runner::{Ending, Step};

pub(super) async fn answer(ask: Check, subject: Arc<Subject>) -> Result<Checked, Refusal> {
    let Check { name, parameters } = ask;
    let limit = subject.declared.load().find(Declared::Check, &name)?.max_output;
    let runner = subject.runner_for(Declared::Check, &name, &parameters)?;
    let mut job = runner.start(Declared::Check, name, parameters).await?;
    let (mut output, mut written) = (BytesMut::new(), 0);
    let ending = loop {
        match job.next().await? {
            Step::Wrote(to, bytes) => {
                written += bytes.len() as u64;
                // By the convention a plugin speaks on its standard output alone.
                if to == Output::Output {
                    let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(output.len());
                    output.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
            }
            Step::Ended(ending) => break ending,
        }
    };
    let (state, why) = verdict(&ending, output.is_empty());
    let ended = ending.told(written, output.len() as u64);
    Ok(Checked { state, why, ended, output: output.freeze() })
}

fn verdict(ending: &Ending, says_nothing: bool) -> (State, Option<String>) {
    let unknown = |why: String| (State::Unknown, Some(why));
    match (ending.timed_out, ending.code, ending.signal) {
        (true, ..) => unknown(format!("it did not end within {:.0?} and was ended", ending.took)),
        (_, Some(code), _) => match State::of(code) {
            Some(state) if says_nothing => (state, Some(format!("it ended with {code} and said nothing"))),
            Some(state) => (state, None),
            None => unknown(format!("its exit code {code} is none of the four that a check has")),
        },
        (_, _, Some(signal)) => unknown(format!("signal {signal} ended it")),
        _ => unknown("it ended, and the system does not say how".to_owned()),
    }
}

impl Ending {
    pub(super) fn told(&self, written_bytes: u64, sent_bytes: u64) -> Ended {
        let Ending { code, signal, timed_out, took } = *self;
        Ended { code, signal, timed_out, took_seconds: took.as_secs_f64(), written_bytes, sent_bytes }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_ending_is_told_apart() {
        let took = Duration::from_secs(10);
        let ended = |code, signal, timed_out, says_nothing| {
            let ending = Ending { code, signal, timed_out, took };
            let (state, why) = verdict(&ending, says_nothing);
            (state, why.unwrap_or_default())
        };
        let words = [
            ended(Some(0), None, false, false),
            ended(Some(2), None, false, true),
            ended(Some(4), None, false, false),
            ended(Some(255), None, false, true),
            ended(None, Some(11), false, false),
            ended(None, Some(15), true, false),
        ];
        let states: Vec<State> = words.iter().map(|(state, _)| *state).collect();
        let unknown = State::Unknown;
        assert_eq!(states, [State::Ok, State::Critical, unknown, unknown, unknown, unknown]);
        let said: std::collections::BTreeSet<&str> = words.iter().map(|(_, why)| why.as_str()).collect();
        assert_eq!(said.len(), words.len(), "{said:?}");
    }
}
