//! What exactly would be started: the runner says so, for it is the one that would start it.

use std::sync::Arc;

use protocol::Refusal;
use protocol::requests::explain::{Explain, Plan};

use crate::requests::Subject;

pub(super) async fn answer(ask: Explain, subject: Arc<Subject>) -> Result<Plan, Refusal> {
    let Explain { request, name, parameters } = ask;
    subject.runner_for(request, &name, &parameters)?.explain(request, name.clone(), parameters.clone()).await
}
