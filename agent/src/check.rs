//! `agent check-config`: all that is wrong with what the agent would start with, as the agent itself would find it.

use agent::cli::Flags;
use agent::config::Config;
use agent::state::State;
use agent::{Error, service, standpoint};
use certs::Credentials;

use crate::faults::{Faults, cannot_start, lines};
use crate::run::identity::{self, outside_dates};
use crate::tell;

/// Says what is good, or everything that is not.
pub(crate) fn check(flags: &Flags) -> Result<(), Faults> {
    let state = State::new(&flags.folder.state);
    let handed = service::handed_identity(&state);
    let taken = match (&flags.config, &flags.identity) {
        (None, None) => standpoint::judge_as_agent(&state),
        // Files that were named are those of here.
        _ => standpoint::act_as_owner(&state),
    };
    taken.map_err(|fault| vec![fault])?;
    let mut config = Config::decide(flags).map_err(|faults| lines(&faults))?;
    if let Some(handed) = handed.filter(|_| config.identity == state.identity_file()) {
        config.identity = handed;
    }
    let credentials = identity::load(&config).map_err(|error| cannot_start(&Error::Identity(error)))?;
    let credentials = credentials.map(|credentials| identity::recall(&config, credentials)).transpose()?;
    let is = is_who(&config, credentials.as_ref())?;
    let doubts = config.doubts();
    if !doubts.is_empty() {
        return Err(doubts);
    }
    let file =
        config.file.map_or_else(|| "no file, all defaults".to_owned(), |file| file.display().to_string());
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    tell(Ok(format!("good ({file}): listens on {}, {is}\n", listen.join(", "))))
}

fn is_who(config: &Config, credentials: Option<&Credentials>) -> Result<String, Faults> {
    let Some(credentials) = credentials else { return Ok("waits there to be adopted".to_owned()) };
    let own = credentials.own();
    match outside_dates(own) {
        Some(fault) => Err(vec![format!("{}: {fault}", config.identity.display())]),
        None => Ok(format!("identity {} until {}", own.identity.name, own.not_after)),
    }
}
