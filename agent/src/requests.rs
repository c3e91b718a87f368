//! Every request finds its answer here: one arm a line, and the file of the same name below.

mod echo;
mod info;
mod time;
mod uptime;
mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use certs::Peer;
use protocol::Ask;

use crate::host::Host;
use crate::response::Response;

/// What requests are about: this machine, and who the agent on it is.
pub(crate) struct Subject {
    pub(crate) host: Host,
    pub(crate) own: ArcSwap<Peer>,
}

/// Answers what a permitted peer asks.
pub(crate) fn answer(ask: Ask, subject: &Arc<Subject>) -> Response {
    match ask {
        Ask::Echo(ask) => Response::now(ask, echo::answer),
        Ask::Info(ask) => Response::later(ask, |ask| info::answer(ask, Arc::clone(subject))),
        Ask::Time(ask) => Response::now(ask, |ask| time::answer(&ask, &subject.host)),
        Ask::Uptime(ask) => Response::now(ask, |ask| uptime::answer(&ask, &subject.host)),
        Ask::Watch(ask) => Response::stream(ask, |ask| watch::answer(ask, Arc::clone(subject))),
    }
}
