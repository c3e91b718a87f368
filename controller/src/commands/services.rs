//! `controller services`: what a machine's systemd knows of its units.

use clap::Args;
use protocol::requests::services::{self, Service, Units};

use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::Show;
use crate::output::table::columns;

/// Whether services run on a machine, since when, and how often they had to be started again.
#[derive(Debug, Args)]
pub struct Services {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`; joined by commas.
    #[arg(add = completion::hosts())]
    pub hosts: String,
    /// Names of systemd's units, such as `nginx` or `fstrim.timer`.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

impl Services {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let ask = services::Services { names: self.names.clone() };
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        let asks = async |client: &mut Client| Ok(client.ask(ask.clone()).await?);
        fleet.ask(std::slice::from_ref(&self.hosts), asks).await
    }
}

impl Show for Units {
    const SCHEMA: &'static str = "rollcall.services/1";

    fn table(&self, _: &str) -> String {
        let rows: Vec<Vec<String>> = self.services.iter().map(row).collect();
        columns(Some(&["unit", "loaded", "active", "sub", "restarts", "since"]), &rows, &[4])
    }
}

fn row(service: &Service) -> Vec<String> {
    let mut row = vec![service.name.clone()];
    match (&service.state, &service.problem) {
        (Some(state), _) => {
            let restarts = state.restarts.map(|restarts| restarts.to_string()).unwrap_or_default();
            let since = state.since.map(|since| format!("{since:.0}")).unwrap_or_default();
            row.extend([state.load.clone(), state.active.clone(), state.sub.clone(), restarts, since]);
        }
        (None, problem) => {
            row.push("unknown".to_owned());
            row.extend([const { String::new() }; 3]);
            row.extend(problem.clone());
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use protocol::requests::services::State;

    use super::*;

    #[test]
    fn each_unit_is_a_line() {
        let state = State {
            load: "loaded".to_owned(),
            active: "active".to_owned(),
            sub: "running".to_owned(),
            since: Some("2026-03-01T22:30:05.678Z".parse().unwrap()),
            restarts: Some(3),
        };
        let timer = State { sub: "waiting".to_owned(), since: None, restarts: None, ..state.clone() };
        let service = |name: &str, state| Service { name: name.to_owned(), state, problem: None };
        let odd = Service { problem: Some("the name is no good".to_owned()), ..service("a b.service", None) };
        let services = vec![service("nginx.service", Some(state)), service("fstrim.timer", Some(timer)), odd];
        let shown = Units { services }.table("");
        let lines: Vec<String> =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "unit loaded active sub restarts since",
                "nginx.service loaded active running 3 2026-03-01T22:30:05Z",
                "fstrim.timer loaded active waiting",
                "a b.service unknown the name is no good"
            ]
        );
    }
}
