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
use protocol::requests::{echo::Echo, info::Info, time::Time, uptime::Uptime, watch::Watch};

use crate::host::Host;
use crate::session::Response;

/// What requests are about: this machine, and who the agent on it is.
pub(crate) struct Subject {
    pub(crate) host: Host,
    pub(crate) own: ArcSwap<Peer>,
}

/// Answers what a permitted peer asks.
pub(crate) fn answer(ask: Ask, subject: &Arc<Subject>) -> Response {
    match ask {
        Ask::Echo(ask) => Response::now::<Echo>(Ok(echo::answer(ask))),
        Ask::Info(ask) => Response::later::<Info>(info::answer(ask, Arc::clone(subject))),
        Ask::Time(ask) => Response::now::<Time>(Ok(time::answer(&ask, &subject.host))),
        Ask::Uptime(ask) => Response::now::<Uptime>(Ok(uptime::answer(&ask, &subject.host))),
        Ask::Watch(ask) => Response::stream::<Watch>(watch::answer(ask, Arc::clone(subject))),
    }
}
