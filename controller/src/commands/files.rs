//! `controller files`: what is at a path of a machine.

use clap::Args;
use protocol::requests::files::{self, Kind, Look, Looks};

use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::Show;
use crate::output::human::bytes;
use crate::output::table::columns;

/// Whether files are there, how large they are, and when they were written to last.
#[derive(Debug, Args)]
pub struct Files {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`; joined by commas.
    #[arg(add = completion::hosts())]
    pub hosts: String,
    /// Whole paths on that machine, such as `/var/backups/db.dump`.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

impl Files {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let ask = files::Files { paths: self.paths.clone() };
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        let asks = async |client: &mut Client| Ok(client.ask(ask.clone()).await?);
        fleet.ask(std::slice::from_ref(&self.hosts), asks).await
    }
}

impl Show for Looks {
    const SCHEMA: &'static str = "rollcall.files/1";

    fn table(&self, _: &str) -> String {
        let rows: Vec<Vec<String>> = self.files.iter().map(row).collect();
        columns(Some(&["path", "kind", "size", "modified"]), &rows, &[2])
    }
}

fn row(look: &Look) -> Vec<String> {
    let mut row = vec![look.path.clone()];
    match (&look.facts, &look.problem) {
        (Some(facts), _) => {
            let modified = facts.modified.map(|modified| format!("{modified:.0}"));
            row.extend([word(facts.kind).to_owned(), bytes(facts.size_bytes), modified.unwrap_or_default()]);
        }
        (None, Some(problem)) => row.extend(["unknown".to_owned(), String::new(), problem.clone()]),
        (None, None) => row.push("not there".to_owned()),
    }
    row
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use protocol::requests::files::Facts;

    use super::*;

    #[test]
    fn each_path_is_a_line() {
        let look = |path: &str, facts: Option<Facts>, problem: Option<&str>| Look {
            path: path.to_owned(),
            exists: problem.is_none().then_some(facts.is_some()),
            facts,
            problem: problem.map(str::to_owned),
        };
        let modified = Some("2026-03-01T22:30:05.678Z".parse().unwrap());
        let facts = Facts { kind: Kind::File, size_bytes: 2048, modified };
        let problem = Some("did not answer within 1 s");
        let files =
            vec![look("/a", Some(facts), None), look("/b", None, None), look("/net/c", None, problem)];
        let shown = Looks { files }.table("");
        let lines: Vec<String> =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "path kind size modified",
                "/a file 2.0 KiB 2026-03-01T22:30:05Z",
                "/b not there",
                "/net/c unknown did not answer within 1 s"
            ]
        );
    }
}
