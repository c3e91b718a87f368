//! `controller certs`: every certificate that was ever signed, and which of them want renewing.

use std::collections::HashSet;
use std::fmt;

use certs::{Serial, Stage};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::output::human::age;
use crate::output::{json, table};
use crate::registry::{self, Issued};
use crate::span::parse_days;

const SCHEMA: &str = "rollcall.certs/1";

/// List every certificate that was ever signed.
#[derive(Debug, Args)]
pub struct Certs {
    /// Only those that end within this time, such as `30d` or `12h`, or have ended, and were not renewed.
    #[arg(long, value_name = "TIME", value_parser = parse_days)]
    pub expiring: Option<SignedDuration>,
}

/// What has become of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// The newest of its role and name.
    Current,
    /// There is a later one of the same role and name.
    Renewed,
    /// It has ended, and there is no later one.
    Ended,
    /// It is void.
    Revoked,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    issued: Issued,
    state: State,
}

impl Certs {
    /// Lists.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        desk.demand_form_of_one()?;
        let now = Timestamp::now();
        let known = desk.home.known_void()?;
        let mut rows = rows(registry::read(&desk.home)?, now, |serial| known.contains(serial));
        if let Some(within) = self.expiring {
            let is_due = |row: &Row| row.issued.peer.not_after.duration_since(now) <= within;
            rows.retain(|row| !matches!(row.state, State::Renewed | State::Revoked) && is_due(row));
        }
        if desk.is_text() {
            desk.print(&self.table(&rows, now))?;
            match desk.home.believed()?.1 {
                Stage::Settled => {}
                Stage::Both => desk.remark(
                    "Another authority is taking the place of the first; go on with: controller authority rotate",
                ),
                Stage::Alone => desk.remark(
                    "The authority before is being forgotten; go on with: controller authority rotate --finish",
                ),
            }
        } else if desk.is_one_document() {
            desk.print(&json::document_of(&Document { schema: SCHEMA, certificates: &rows }))?;
        } else {
            rows.iter().try_for_each(|row| desk.print(&json::line_of(&Line { schema: SCHEMA, row })))?;
        }
        Ok(Exit::Answered)
    }

    fn table(&self, rows: &[Row], now: Timestamp) -> String {
        if rows.is_empty() {
            return match self.expiring {
                Some(_) => "no certificate ends within that time\n".to_owned(),
                None => "no certificate was signed here yet\n".to_owned(),
            };
        }
        let head = ["name", "role", "teams", "serial", "ends", "", "how", "state"];
        let rows: Vec<_> = rows.iter().map(|row| row.cells(now)).collect();
        table::all_columns(Some(&head), &rows, &[])
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'a str,
    certificates: &'a [Row],
}

#[derive(Serialize)]
struct Line<'a> {
    schema: &'a str,
    #[serde(flatten)]
    row: &'a Row,
}

impl Row {
    fn cells(&self, now: Timestamp) -> Vec<String> {
        let peer = &self.issued.peer;
        let left = peer.not_after.duration_since(now);
        let left =
            if left.is_negative() { format!("{} ago", age(left)) } else { format!("in {}", age(left)) };
        let teams: Vec<&str> = peer.teams.iter().map(certs::Name::as_str).collect();
        vec![
            peer.identity.name.to_string(),
            peer.identity.role.to_string(),
            teams.join(", "),
            peer.serial.to_string().chars().take(8).collect(),
            peer.not_after.strftime("%Y-%m-%d").to_string(),
            left,
            self.issued.how.to_string(),
            self.state.to_string(),
        ]
    }
}

/// By name, and the newest of each first.
fn rows(issued: Vec<Issued>, now: Timestamp, is_revoked: impl Fn(&Serial) -> bool) -> Vec<Row> {
    let mut seen = HashSet::new();
    let newest_first = issued.into_iter().rev().map(|issued| {
        let newest = seen.insert(issued.peer.identity.clone());
        let state = if is_revoked(&issued.peer.serial) {
            State::Revoked
        } else if !newest {
            State::Renewed
        } else if issued.peer.not_after < now {
            State::Ended
        } else {
            State::Current
        };
        Row { issued, state }
    });
    let mut rows: Vec<Row> = newest_first.collect();
    let identity =
        |row: &Row| (row.issued.peer.identity.name.clone(), row.issued.peer.identity.role.to_string());
    rows.sort_by_key(identity);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::How;
    use certs::Peer;

    fn issued(identity: &str, ends_in_hours: i64) -> Issued {
        let now = Timestamp::now();
        let peer = Peer {
            identity: identity.parse().unwrap(),
            teams: Vec::new(),
            serial: "0a".parse().unwrap(),
            not_before: now,
            not_after: now + SignedDuration::from_hours(ends_in_hours),
        };
        Issued { peer, addresses: Vec::new(), signed_at: now, how: How::Issue, authority: None }
    }

    #[test]
    fn only_the_newest_of_a_role_and_name_is_current_or_ended() {
        let list = [
            ("rollcall://agent/web-1", 5),
            ("rollcall://agent/db-1", -5),
            ("rollcall://agent/web-1", 9),
            ("rollcall://controller/web-1", 5),
        ];
        let rows =
            rows(list.map(|(identity, hours)| issued(identity, hours)).into(), Timestamp::now(), |_| false);
        let shown: Vec<_> =
            rows.iter().map(|row| (row.issued.peer.identity.to_string(), row.state)).collect();
        let expected = [
            ("rollcall://agent/db-1", State::Ended),
            ("rollcall://agent/web-1", State::Current),
            ("rollcall://agent/web-1", State::Renewed),
            ("rollcall://controller/web-1", State::Current),
        ];
        assert_eq!(shown, expected.map(|(identity, state)| (identity.to_owned(), state)));
    }
}
