//! A declared check, run to its end, and what its exit code means.

use bytes::BytesMut;
use protocol::Refusal;
use protocol::requests::check::{Check, Checked, State};
use protocol::requests::explain::Sort;
use protocol::requests::run::Ended;

use crate::requests::Starter;
use crate::runner::Step;

pub(super) async fn answer(ask: Check, starter: Starter) -> Result<Checked, Refusal> {
    let mut program = starter.start(Sort::Check, ask.name, ask.parameters).await?;
    let mut output = BytesMut::new();
    let ended = loop {
        match program.next().await? {
            Step::Wrote(_, bytes) => output.extend_from_slice(&bytes),
            Step::Ended(ended) => break ended,
        }
    };
    let (state, why) = verdict(&ended, output.is_empty());
    Ok(Checked { state, why, ended, output: output.freeze() })
}

fn verdict(ended: &Ended, says_nothing: bool) -> (State, Option<String>) {
    let unknown = |why: String| (State::Unknown, Some(why));
    match (ended.timed_out, ended.code, ended.signal) {
        (true, ..) => unknown(format!("it did not end within {:.1} s and was ended", ended.took_seconds)),
        (_, Some(code), _) => match State::of(code) {
            Some(state) if says_nothing => (state, Some(format!("it ended with {code} and said nothing"))),
            Some(state) => (state, None),
            None => unknown(format!("its exit code {code} is none of the four that a check has")),
        },
        (_, _, Some(signal)) => unknown(format!("signal {signal} ended it")),
        _ => unknown("it ended, and the system does not say how".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_is_told_apart() {
        let ended = |code, signal, timed_out, says_nothing| {
            let ended = Ended { code, signal, timed_out, took_seconds: 10.0, ..Ended::default() };
            let (state, why) = verdict(&ended, says_nothing);
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
