//! What a person types: the flags that mean the same everywhere, and the list of verbs.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand, ValueEnum};
use jiff::{SignedDuration, Span, SpanRelativeTo};

use crate::commands::{
    adopt, audit, authority, can, caps, certs, check, demo, doctor, echo, files, hosts, info, init, issue,
    operator, ping, processes, renew, revoke, run, services, sync, time, uptime, wait, watch, whoami,
};

/// Asks machines that run a Rollcall agent how they are.
#[derive(Debug, Parser)]
#[command(name = "controller", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  controller demo                                everything once, on this machine
  controller adopt 192.0.2.7 --name web-1        make a machine yours, with the code that `agent code` printed there
  controller info web-1                          ask it

Exit codes: 0 answered, 1 refused or failed, 2 wrong usage or a broken home, 3 not reached or not trusted.
`check` and `run` have their own.")]
pub struct Cli {
    /// What all verbs share.
    #[command(flatten)]
    pub shared: Shared,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags that mean the same on every verb.
#[derive(Debug, Clone, Args)]
pub struct Shared {
    /// Where authority, identity and hosts are kept [default: ~/.config/rollcall].
    #[arg(long, global = true, value_name = "DIR", env = "ROLLCALL_HOME")]
    pub home: Option<PathBuf>,
    /// How to print answers.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
    /// How long to wait at each stage: lookup, connect, TLS, answer [default: 10s; for what `run` and `check` start, as long as it
    /// may run].
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Read the authority's passphrase, where it carries one, from this descriptor: one line [default: ask].
    #[arg(long, global = true, value_name = "N")]
    pub passphrase_fd: Option<u32>,
    /// Print answers only.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say each stage as it passes, with its time.
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For eyes.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line, as answers come.
    Jsonl,
    /// Of many hosts: each line as it comes, behind its host.
    Lines,
    /// Of many hosts: the same answer of several once, under all their names.
    Fold,
    /// Of many hosts: a row for each.
    Csv,
    /// Of `check`: for Nagios and Icinga.
    Nagios,
    /// Of `check`: for the node exporter's folder of text files.
    Prometheus,
    /// Of `check`: for what shows the results of tests.
    Junit,
}

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

/// A time with its unit, such as `5s` or `500ms`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let friendly =
        || text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let duration = seconds.or_else(friendly).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "a time is a number with its unit, such as 5s, 500ms or 2m".to_owned())
}

/// A time that may be days or weeks, such as `30d` or `12h`.
pub(crate) fn parse_days(text: &str) -> Result<SignedDuration, String> {
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let span = span.ok().filter(|span| !span.is_negative());
    span.ok_or_else(|| "a time is a number with its unit, such as 30d or 12h".to_owned())
}

/// How long a certificate is to hold: dates in it are whole seconds, and ten years are as long as its authority lives.
pub(crate) fn parse_life(text: &str) -> Result<SignedDuration, String> {
    let sane = SignedDuration::from_secs(1)..=SignedDuration::from_hours(3650 * 24);
    let life = parse_days(text)?;
    if sane.contains(&life) { Ok(life) } else { Err("a certificate holds for 1s to 3650d".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse_days("30d").unwrap(), SignedDuration::from_hours(30 * 24));
        assert_eq!(parse_days("2w 1h").unwrap(), SignedDuration::from_hours(14 * 24 + 1));
        for bad in ["", "30", "-1d", "1 month", "soon"] {
            assert!(parse_days(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_certificate_holds_for_a_sane_time() {
        assert_eq!(parse_life("60s").unwrap(), SignedDuration::from_secs(60));
        assert_eq!(parse_life("3650d").unwrap(), SignedDuration::from_hours(3650 * 24));
        for bad in ["0s", "999ms", "3651d", "90", "-1d"] {
            assert!(parse_life(bad).is_err(), "{bad:?} was taken");
        }
    }
}
