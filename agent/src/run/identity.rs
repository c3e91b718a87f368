//! Who the agent is when it starts, and whether anybody will believe it.

use agent::config::Config;
use certs::{Credentials, Peer};
use jiff::{SignedDuration, Timestamp};

use crate::faults::Faults;

/// Carrying a new bundle to a machine takes people a while.
const WARN_BEFORE_END: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Who the agent is. Only where its own folder has no identity it belongs to nobody: a file that was named must be there.
pub(crate) fn load(config: &Config) -> Result<Option<Credentials>, certs::Error> {
    match Credentials::load(&config.identity) {
        Err(error) if error.is_not_found() && config.identity == config.state.identity_file() => Ok(None),
        loaded => loaded.map(Some),
    }
}

/// A damaged list stops the agent: who is revoked would be let in again.
pub(crate) fn recall(config: &Config, credentials: Credentials) -> Result<Credentials, Faults> {
    config.state.recall(credentials).map_err(|error| {
        let hint = "take the file from a backup, or remove it: the next controller that knows a list brings it again";
        vec![format!("cannot start: {error}"), hint.to_owned()]
    })
}

/// What is wrong with the dates of this agent's own certificate: every controller would refuse it.
pub(crate) fn outside_dates(own: &Peer) -> Option<String> {
    let now = Timestamp::now();
    if now > own.not_after {
        return Some(format!(
            "the certificate ended at {}; issue a new one, or mend this machine's clock",
            own.not_after
        ));
    }
    (now < own.not_before)
        .then(|| format!("the certificate begins at {}; mend this machine's clock", own.not_before))
}

/// Tells the log whether they are good, and for long enough.
pub(super) fn tell_dates(own: &Peer) {
    match outside_dates(own) {
        Some(fault) => tracing::error!("nobody will believe this agent: {fault}"),
        None if own.not_after.duration_since(Timestamp::now()) < WARN_BEFORE_END => {
            tracing::warn!(
                "the certificate ends soon, at {}; renew it with `controller renew`",
                own.not_after
            );
        }
        None => {}
    }
}
