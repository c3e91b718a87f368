//! What is at a path.

use std::sync::Arc;

use protocol::Refusal;
use protocol::requests::files::{Files, Looks};

use crate::requests::{Subject, judge};

/// The kernel takes no longer path.
const LONGEST: usize = 4095;

pub(super) async fn answer(ask: Files, subject: Arc<Subject>) -> Result<Looks, Refusal> {
    judge("files", &ask.paths, LONGEST)?;
    if let Some(path) = ask.paths.iter().find(|path| !path.starts_with('/')) {
        return Err(Refusal::bad_request("files", &format!("{path:?} does not begin with /")));
    }
    let looked = subject.host.look(ask.paths).await;
    let files =
        looked.map_err(|error| Refusal::failed("the machine does not tell what was asked", &error))?;
    Ok(Looks { files })
}
