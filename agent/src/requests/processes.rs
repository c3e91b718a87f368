//! How many processes of a name there are.

use std::sync::Arc;

use protocol::Refusal;
use protocol::requests::processes::{Counts, Processes};

use crate::requests::{Subject, judge};

/// No file has a longer name, and so no command.
const LONGEST: usize = 255;

pub(super) async fn answer(ask: Processes, subject: Arc<Subject>) -> Result<Counts, Refusal> {
    judge("processes", &ask.names, LONGEST)?;
    let counted = subject.host.count(ask.names).await;
    let processes = counted.map_err(|why| Refusal::failed("the processes cannot be counted", &why))?;
    Ok(Counts { processes })
}
