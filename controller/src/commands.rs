//! The verbs: one arm a line, and the file of the same name below.

pub mod adopt;
pub mod audit;
pub mod authority;
pub mod can;
pub mod caps;
pub mod certs;
pub mod check;
pub mod declared;
pub mod demo;
pub mod doctor;
pub mod echo;
pub mod explain;
pub mod files;
pub mod hosts;
pub mod info;
pub mod init;
pub mod issue;
pub mod operator;
pub mod ping;
pub mod processes;
pub mod renew;
pub mod revoke;
pub mod run;
pub mod services;
pub mod sync;
pub mod time;
pub mod uptime;
pub mod wait;
pub mod watch;
pub mod whoami;

use crate::cli::Verb;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;

/// Does what the person asked.
///
/// # Errors
/// Why it could not be done.
pub async fn run(verb: Verb, desk: &Desk) -> Result<Exit, Trouble> {
    match verb {
        Verb::Demo(demo) => demo.run(desk).await,
        Verb::Init(init) => init.run(desk),
        Verb::Adopt(adopt) => adopt.run(desk).await,
        Verb::Issue(issue) => issue.run(desk),
        Verb::Renew(renew) => renew.run(desk).await,
        Verb::Authority(authority) => authority.run(desk).await,
        Verb::Operator(operator) => operator.run(desk),
        Verb::Certs(certs) => certs.run(desk),
        Verb::Revoke(revoke) => revoke.run(desk),
        Verb::Sync(sync) => sync.run(desk).await,
        Verb::Hosts(hosts) => hosts.run(desk),
        Verb::Info(info) => info.run(desk).await,
        Verb::Uptime(uptime) => uptime.run(desk).await,
        Verb::Services(services) => services.run(desk).await,
        Verb::Processes(processes) => processes.run(desk).await,
        Verb::Files(files) => files.run(desk).await,
        Verb::Time(time) => time.run(desk).await,
        Verb::Echo(echo) => echo.run(desk).await,
        Verb::Ping(ping) => ping.run(desk).await,
        Verb::Wait(wait) => wait.run(desk).await,
        Verb::Watch(watch) => watch.run(desk).await,
        Verb::Check(check) => check.run(desk).await,
        Verb::Run(run) => run.run(desk).await,
        Verb::Caps(caps) => caps.run(desk).await,
        Verb::Whoami(whoami) => whoami.run(desk).await,
        Verb::Can(can) => can.run(desk).await,
        Verb::Doctor(doctor) => doctor.run(desk).await,
        Verb::Audit(audit) => audit.run(desk).await,
    }
}
