//! `controller processes`: how many processes of a name a machine runs, and since when.

use clap::Args;
use protocol::requests::processes::{self, Count, Counts};

use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::Show;
use crate::output::table::columns;

/// How many processes of a name run on a machine, and since when.
#[derive(Debug, Args)]
pub struct Processes {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`; joined by commas.
    #[arg(add = completion::hosts())]
    pub hosts: String,
    /// Names of commands, compared whole, such as `nginx`.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

impl Processes {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let ask = processes::Processes { names: self.names.clone() };
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        let asks = async |client: &mut Client| Ok(client.ask(ask.clone()).await?);
        fleet.ask(std::slice::from_ref(&self.hosts), asks).await
    }
}

impl Show for Counts {
    const SCHEMA: &'static str = "rollcall.processes/1";

    fn table(&self, _: &str) -> String {
        let rows: Vec<Vec<String>> = self.processes.iter().map(row).collect();
        columns(Some(&["process", "running", "zombies", "oldest started"]), &rows, &[1, 2])
    }
}

fn row(count: &Count) -> Vec<String> {
    let oldest = count.oldest_started.map(|started| started.to_string()).unwrap_or_default();
    vec![count.name.clone(), count.running.to_string(), count.zombies.to_string(), oldest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_a_line() {
        let count = |name: &str, running, oldest: Option<&str>| Count {
            name: name.to_owned(),
            running,
            zombies: 0,
            oldest_started: oldest.map(|oldest| oldest.parse().unwrap()),
        };
        let processes = vec![count("nginx", 12, Some("2026-03-01T22:30:05Z")), count("no\u{1b}pe", 0, None)];
        let shown = Counts { processes }.table("");
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert!(lines[0].starts_with("process") && lines[0].ends_with("oldest started"), "{shown}");
        assert!(
            lines[1].starts_with("nginx") && lines[1].ends_with("12        0  2026-03-01T22:30:05Z"),
            "{shown}"
        );
        assert!(lines[2].starts_with("no\u{fffd}pe") && lines[2].ends_with("0        0"), "{shown}");
    }
}
