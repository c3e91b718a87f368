//! `controller uptime`: one line like the classic command's.

use clap::Args;
use protocol::requests::uptime::{self, Running};

use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::human::{age_of_seconds, at_offset};
use crate::output::{Cell, Column, Show};

/// How long a machine has been up, and how busy it is.
#[derive(Debug, Args)]
pub struct Uptime {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

impl Uptime {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        fleet.ask(&self.hosts, async |client| Ok(client.ask(uptime::Uptime {}).await?)).await
    }
}

impl Show for Running {
    const SCHEMA: &'static str = "rollcall.uptime/1";

    fn table(&self, _: &str) -> String {
        let now = at_offset(self.now, self.utc_offset_seconds, "%H:%M:%S");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "uptimes are small and positive"
        )]
        let minutes = (self.uptime_seconds / 60.0) as u64;
        let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
        let days = match days {
            0 => String::new(),
            1 => "1 day, ".to_owned(),
            days => format!("{days} days, "),
        };
        let clock = if hours == 0 { format!("{minutes} min") } else { format!("{hours}:{minutes:02}") };
        let users = match self.users {
            None => "users unknown".to_owned(),
            Some(1) => "1 user".to_owned(),
            Some(users) => format!("{users} users"),
        };
        let [one, five, fifteen] = self.load;
        format!(" {now} up {days}{clock},  {users},  load average: {one:.2}, {five:.2}, {fifteen:.2}\n")
    }

    fn columns() -> Vec<Column<Running>> {
        vec![
            Column::usual("up", "uptime_seconds", |it| {
                Cell::told(it.uptime_seconds, age_of_seconds(it.uptime_seconds))
            }),
            Column::usual("users", "users", |it| {
                it.users.map_or_else(Cell::none, |users| Cell::told(users, users.to_string()))
            }),
            Column::usual("load 1", "load_1", load_of::<0>),
            Column::usual("load 5", "load_5", load_of::<1>),
            Column::usual("load 15", "load_15", load_of::<2>),
            Column::other("booted", "booted", |it| Cell::text(&it.booted.to_string())),
        ]
    }
}

fn load_of<const SPAN: usize>(running: &Running) -> Cell {
    let load = running.load[SPAN];
    Cell::told(load, format!("{load:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_the_classic_command() {
        let now = "2026-03-01T22:30:05Z".parse().unwrap();
        let mut running = Running {
            uptime_seconds: 86_400.0 * 14.0 + 3600.0 * 3.0 + 125.0,
            booted: now,
            now,
            utc_offset_seconds: 3600,
            load: [0.0, 1.255, 10.0],
            users: Some(1),
        };
        let expected = " 23:30:05 up 14 days, 3:02,  1 user,  load average: 0.00, 1.25, 10.00\n";
        assert_eq!(running.table(""), expected);
        running.uptime_seconds = 59.0 * 60.0;
        running.users = None;
        assert_eq!(
            running.table(""),
            " 23:30:05 up 59 min,  users unknown,  load average: 0.00, 1.25, 10.00\n"
        );
    }
}
