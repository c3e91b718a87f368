//! Every request finds its answer here: one arm a line, and the file of the same name below.

mod audit;
mod can;
mod echo;
mod info;
mod sync;
mod time;
mod uptime;
mod watch;
mod whoami;

use std::sync::Arc;

use arc_swap::ArcSwap;
use certs::{Peer, Revocations};
use protocol::Ask;
use tokio::sync::watch::Sender;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::audit::Audit;
use crate::host::Host;
use crate::permissions::{Permissions, Permitted};
use crate::response::Response;

/// What requests are about: this machine, and who the agent on it is.
pub(crate) struct Subject {
    pub(crate) host: Host,
    pub(crate) own: ArcSwap<Peer>,
    pub(crate) permissions: ArcSwap<Permissions>,
    /// Whom the agent believes.
    pub(crate) authorities: ArcSwap<Vec<CertificateDer<'static>>>,
    pub(crate) revocations: Arc<Revocations>,
    /// Told when there is a newer list.
    pub(crate) revoked: Sender<()>,
    pub(crate) audit: Audit,
}

/// Answers what a peer may ask.
pub(crate) fn answer(permitted: Permitted, subject: &Arc<Subject>) -> Response {
    let (ask, peer) = permitted.into_parts();
    let permissions = || subject.permissions.load();
    match ask {
        Ask::Audit(ask) => Response::stream(ask, |ask| audit::answer(ask, subject.audit.clone())),
        Ask::Can(ask) => Response::now(ask, |ask| can::answer(&ask, &peer, &permissions())),
        Ask::Echo(ask) => Response::now(ask, echo::answer),
        Ask::Info(ask) => Response::later(ask, |ask| info::answer(ask, Arc::clone(subject))),
        Ask::Sync(ask) => Response::tried(ask, |ask| sync::answer(&ask, subject)),
        Ask::Time(ask) => Response::now(ask, |ask| time::answer(&ask, &subject.host)),
        Ask::Uptime(ask) => Response::now(ask, |ask| uptime::answer(&ask, &subject.host)),
        Ask::Watch(ask) => Response::stream(ask, |ask| watch::answer(ask, Arc::clone(subject))),
        Ask::Whoami(ask) => Response::now(ask, |_| whoami::answer(&peer, &permissions())),
    }
}
