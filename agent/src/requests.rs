//! Every request finds its answer here: one arm a line, and the file of the same name below.

mod audit;
mod can;
mod caps;
mod check;
mod echo;
mod explain;
mod files;
mod info;
mod install;
mod processes;
mod renew;
mod run;
mod services;
mod sync;
mod time;
mod uptime;
mod watch;
mod whoami;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use certs::{Credentials, Peer, Revocations};
use protocol::requests::MAX_NAMED;
use protocol::requests::explain::Sort;
use protocol::{Ask, Refusal};
use tokio::sync::watch::{Receiver, Sender};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::audit::{Asked, Audit, Started};
use crate::declared::{Declarations, Given};
use crate::host::Host;
use crate::permissions::{Permissions, Permitted};
use crate::renewal::Renewal;
use crate::response::Response;
use crate::runner::{Job, Runner, Step};
use crate::sandbox::Report;
use crate::server::Settings;

/// What requests are about: this machine, and who the agent on it is.
pub(crate) struct Subject {
    pub(crate) host: Host,
    pub(crate) own: ArcSwap<Peer>,
    /// Told again to what waits for its turn when they change.
    pub(crate) permissions: Sender<Permissions>,
    /// Whom the agent believes.
    pub(crate) authorities: ArcSwap<Vec<CertificateDer<'static>>>,
    pub(crate) revocations: Arc<Revocations>,
    /// Told when there is a newer list.
    pub(crate) revoked: Sender<()>,
    pub(crate) audit: Audit,
    /// For connections to come.
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) renewal: Mutex<Renewal>,
    pub(crate) declared: ArcSwap<Declarations>,
    /// Everybody who asks for a program has another one of it.
    pub(crate) programs: Arc<()>,
    /// There is none where nothing was declared when the agent started.
    pub(crate) runner: OnceLock<Runner>,
    /// Empty where the agent is a part of another program.
    pub(crate) sandbox: OnceLock<Report>,
}

impl Subject {
    /// Waits while somebody else reads or writes the file with the identity.
    pub(crate) fn renewal(&self) -> MutexGuard<'_, Renewal> {
        self.renewal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runner, for something that is declared and is given what it takes. The runner itself judges that once more.
    pub(crate) fn runner_for(&self, sort: Sort, name: &str, given: &Given) -> Result<&Runner, Refusal> {
        self.declared.load().find(sort, name)?.judge(given)?;
        self.runner.get().ok_or_else(|| Refusal::not_declared(sort, name))
    }

    /// Counts it among what is asked of the runner as long as it is in flight: each costs descriptors, and others need some too.
    fn counted(&self, response: Response) -> Response {
        let place = Arc::clone(&self.programs);
        let limit = self.settings.load().limits.programs;
        // One is this one's, and one the agent's own.
        if Arc::strong_count(&place) - 2 >= limit {
            return Response::Refused(Refusal::too_many_programs(limit));
        }
        response.keeping(place)
    }

    /// Is this from now on: connections to come are shown it, and open ones keep their handshake.
    pub(crate) fn show(&self, settings: Settings, credentials: &Credentials) {
        self.own.store(Arc::new(credentials.own().clone()));
        self.authorities.store(Arc::new(credentials.authorities().to_vec()));
        self.settings.store(Arc::new(settings));
    }
}

/// Starts programs for one request.
struct Starter {
    subject: Arc<Subject>,
    peer: Arc<Peer>,
    started: Started,
}

impl Starter {
    async fn start(self, sort: Sort, name: String, given: Given) -> Result<Program, Refusal> {
        let Starter { subject, peer, started } = self;
        let permissions = subject.permissions.subscribe();
        let permission = sort.permission(&name);
        let limit = subject.declared.load().find(sort, &name)?.max_output;
        let runner = subject.runner_for(sort, &name, &given)?;
        let job = runner.start((sort, name, given), limit, started).await?;
        Ok(Program { job, peer, permission, permissions })
    }
}

/// What was started for a request, or waits for its turn.
struct Program {
    job: Job,
    peer: Arc<Peer>,
    permission: String,
    permissions: Receiver<Permissions>,
}

impl Program {
    /// What it does next. What was granted may be taken away as long as it waits.
    async fn next(&mut self) -> Result<Step, Refusal> {
        loop {
            tokio::select! {
                biased;
                // The sender lives as long as the agent.
                _ = self.permissions.changed(), if self.job.waits() => {
                    self.permissions.borrow_and_update().check(&self.peer, &self.permission)?;
                }
                step = self.job.next() => if let Some(step) = step? {
                    return Ok(step);
                },
            }
        }
    }
}

/// What a request names is neither nothing nor without end.
fn judge(request: &str, names: &[String], longest: usize) -> Result<(), Refusal> {
    let are_few = (1..=MAX_NAMED).contains(&names.len());
    match are_few && names.iter().all(|name| (1..=longest).contains(&name.len())) {
        true => Ok(()),
        false => {
            let fault = format!("it takes 1 to {MAX_NAMED}, of 1 to {longest} bytes each");
            Err(Refusal::bad_request(request, &fault))
        }
    }
}

/// Answers what a peer may ask.
pub(crate) fn answer(permitted: Permitted, asked: &mut Asked, subject: &Arc<Subject>) -> Response {
    let (ask, peer) = permitted.into_parts();
    let permissions = || subject.permissions.borrow();
    let mut starter =
        || Starter { subject: Arc::clone(subject), peer: Arc::clone(&peer), started: asked.started() };
    match ask {
        Ask::Audit(ask) => Response::stream(ask, |ask| audit::answer(ask, subject.audit.clone())),
        Ask::Can(ask) => Response::now(ask, |ask| can::answer(&ask, &peer, &permissions())),
        Ask::Caps(ask) => {
            Response::now(ask, |_| caps::answer(&peer, &permissions(), &subject.declared.load()))
        }
        Ask::Check(ask) => subject.counted(Response::later(ask, |ask| check::answer(ask, starter()))),
        Ask::Echo(ask) => Response::now(ask, echo::answer),
        Ask::Explain(ask) => {
            subject.counted(Response::later(ask, |ask| explain::answer(ask, Arc::clone(subject))))
        }
        Ask::Files(ask) => Response::later(ask, |ask| files::answer(ask, Arc::clone(subject))),
        Ask::Info(ask) => Response::later(ask, |ask| info::answer(ask, Arc::clone(subject))),
        Ask::Install(ask) => Response::later(ask, |ask| install::answer(ask, peer, Arc::clone(subject))),
        Ask::Processes(ask) => Response::later(ask, |ask| processes::answer(ask, Arc::clone(subject))),
        Ask::Renew(ask) => Response::later(ask, |_| renew::answer(peer, Arc::clone(subject))),
        Ask::Run(ask) => subject.counted(Response::stream(ask, |ask| run::answer(ask, starter()))),
        Ask::Services(ask) => Response::later(ask, |ask| services::answer(ask, Arc::clone(subject))),
        Ask::Sync(ask) => Response::later(ask, |ask| sync::answer(ask, Arc::clone(subject))),
        Ask::Time(ask) => Response::now(ask, |ask| time::answer(&ask, &subject.host)),
        Ask::Uptime(ask) => Response::now(ask, |ask| uptime::answer(&ask, &subject.host)),
        Ask::Watch(ask) => Response::stream(ask, |ask| watch::answer(ask, Arc::clone(subject))),
        Ask::Whoami(ask) => Response::now(ask, |_| whoami::answer(&peer, &permissions())),
    }
}
