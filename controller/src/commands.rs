//! The verbs: what each is for, one arm a line, and the file of the same name below.

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

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;

/// The verbs, each with what it does; a verb is called as its file is.
///
/// Its flags are described when it is meant, and not before: describing all of them took a third of a short command's time.
macro_rules! verbs {
    ($(#[doc = $about:literal] $module:ident::$verb:ident,)+) => {
        /// What to do.
        #[derive(Debug)]
        pub enum Verb {
            $(#[doc = $about] $verb($module::$verb),)+
        }

        impl Subcommand for Verb {
            fn augment_subcommands(command: Command) -> Command {
                command.subcommand_required(true).arg_required_else_help(true)
                    $(.subcommand(described::<$module::$verb>(stringify!($module), $about)))+
            }

            fn augment_subcommands_for_update(command: Command) -> Command {
                Verb::augment_subcommands(command)
            }

            fn has_subcommand(name: &str) -> bool {
                [$(stringify!($module)),+].contains(&name)
            }
        }

        impl FromArgMatches for Verb {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Verb, clap::Error> {
                match matches.subcommand() {
                    $(Some((stringify!($module), flags)) => {
                        $module::$verb::from_arg_matches(flags).map(Verb::$verb)
                    })+
                    _ => Err(clap::Error::new(ErrorKind::MissingSubcommand)),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Verb::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}

fn described<T: Args>(name: &'static str, about: &'static str) -> Command {
    let about = about.trim().trim_end_matches('.');
    Command::new(name).about(about).defer(|command| {
        let about = command.get_about().cloned().unwrap_or_default();
        T::augment_args(command).about(about).long_about(None)
    })
}

verbs! {
    /// Show it all on this machine, with an agent of its own; nothing is left behind.
    demo::Demo,
    /// Make an authority and your own identity.
    init::Init,
    /// Make a machine yours that waits to be adopted, with the one-time code that `agent code` printed there.
    adopt::Adopt,
    /// Make the identity of a machine, in one file to carry there.
    issue::Issue,
    /// Give machines new certificates before the old ones end, while they serve.
    renew::Renew,
    /// Put a passphrase on the authority's key, take it away, or put another authority in its place.
    authority::Authority,
    /// Let others ask, under names of their own.
    operator::Operator,
    /// List every certificate that was ever signed.
    certs::Certs,
    /// Make the certificates of a name void.
    revoke::Revoke,
    /// Carry the newest list of what is void to machines, and fetch it from them.
    sync::Sync,
    /// Keep the list of machines that are known by name, and see what a selection means.
    hosts::Hosts,
    /// What a machine is and how it is doing.
    info::Info,
    /// How long a machine has been up, and how busy it is.
    uptime::Uptime,
    /// Whether services run on a machine, since when, and how often they had to be started again.
    services::Services,
    /// How many processes of a name run on a machine, and since when.
    processes::Processes,
    /// Whether files are there, how large they are, and when they were written to last.
    files::Files,
    /// A machine's clock, compared with this one.
    time::Time,
    /// Send bytes and get the same bytes back.
    echo::Echo,
    /// Measure the way to a machine and back.
    ping::Ping,
    /// What a machine is and how it is doing, again and again.
    watch::Watch,
    /// Whether machines are well: exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    check::Check,
    /// Wait until machines are as they should be.
    wait::Wait,
    /// Run a command that a machine's owner declared: its output as it comes, and its exit code.
    run::Run,
    /// What an agent offers to you: requests, checks and commands, and what they take.
    caps::Caps,
    /// Who an agent believes you to be, and what you may ask it.
    whoami::Whoami,
    /// Whether you may ask an agent something: exit code 0 for yes, 1 for no.
    can::Can,
    /// Find out why a machine does not answer, step by step.
    doctor::Doctor,
    /// What was asked of a machine, checked, and compared with what it said last time.
    audit::Audit,
}

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
