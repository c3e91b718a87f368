//! What exactly would be started: the runner says so, for it is the one that would start it.

use std::sync::Arc;

use protocol::Refusal;
use protocol::requests::explain::{Explain, Plan};

use crate::requests::Subject;

pub(super) async fn answer(ask: Explain, subject: Arc<Subject>) -> Result<Plan, Refusal> {
    let Explain { sort, name, parameters } = ask;
    let runner = subject.runner_for(sort, &name, &parameters)?;
    runner.explain(sort, name, parameters).await
}
