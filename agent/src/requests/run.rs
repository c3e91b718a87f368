//! A declared command: what it writes, as it writes it, and how it ended. It waits for whoever reads slowly.

use futures_util::stream::{self, Stream};
use protocol::Refusal;
use protocol::requests::explain::Sort;
use protocol::requests::run::{Piece, Run};

use crate::requests::{Program, Starter};
use crate::runner::Step;

/// What is told of the command next.
enum Next {
    Start(Run, Starter),
    Step(Program),
    Nothing,
}

pub(super) fn answer(
    ask: Run,
    starter: Starter,
) -> impl Stream<Item = Result<Piece, Refusal>> + Send + 'static {
    stream::unfold(Next::Start(ask, starter), |next| async {
        let program = match next {
            Next::Start(Run { name, parameters }, starter) => {
                starter.start(Sort::Command, name, parameters).await
            }
            Next::Step(program) => Ok(program),
            Next::Nothing => return None,
        };
        match program {
            Ok(program) => Some(piece(program).await),
            Err(refusal) => Some((Err(refusal), Next::Nothing)),
        }
    })
}

async fn piece(mut program: Program) -> (Result<Piece, Refusal>, Next) {
    match program.next().await {
        Ok(Step::Wrote(to, bytes)) => (Ok(Piece { to: Some(to), bytes, ended: None }), Next::Step(program)),
        Ok(Step::Ended(ended)) => (Ok(Piece { ended: Some(ended), ..Piece::default() }), Next::Nothing),
        Err(refusal) => (Err(refusal), Next::Nothing),
    }
}
