//! `--explain` of `run` and `check`: what exactly would be started, without starting it.

use std::cell::Cell;

use protocol::requests::explain::{Explain, Plan, Sort};

use crate::caller::Caller;
use crate::commands::declared::What;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet};
use crate::output::Show;
use crate::output::human::{bytes, plain};

/// Asks and shows. The exit code is the largest of those that the verb has for what was in the way: its others are a program's.
pub(crate) async fn explain(
    desk: &Desk,
    sort: Sort,
    what: &What,
    code_of: fn(&Trouble) -> i32,
) -> Result<Exit, Trouble> {
    let What { hosts, name, which, .. } = what;
    let ask = Explain { sort, name: name.clone(), parameters: what.values()? };
    let caller = Caller::at(desk)?;
    let chosen = which.choose(std::slice::from_ref(hosts), desk, &caller.inventory)?;
    let caller = if chosen.is_one { caller } else { caller.of_many() };
    let worst = Cell::new(0);
    let job = async |host: &str| {
        let plan = async { Ok(caller.meet(host).await?.ask(ask.clone()).await?) };
        let plan: Result<Plan, Trouble> = plan.await;
        worst.set(worst.get().max(plan.as_ref().map_or_else(code_of, |_| 0)));
        plan
    };
    let fleet = Fleet { desk, which, words: ANSWERED };
    let exit = fleet.each(&chosen, job).await?;
    caller.tell_of_endings();
    Ok(if exit == Exit::Interrupted { exit } else { Exit::Program(worst.get()) })
}

impl Show for Plan {
    const SCHEMA: &'static str = "rollcall.explain/1";

    fn table(&self, _: &str) -> String {
        let mut lines: Vec<(&str, String)> = Vec::new();
        for (number, argument) in self.argv.iter().enumerate() {
            // In quotes: where one ends and the next begins is the point.
            lines.push((if number == 0 { "program" } else { "argument" }, format!("{argument:?}")));
        }
        lines.push(("user", self.user.clone().unwrap_or_else(|| "the agent's own".to_owned())));
        lines.push(("folder", self.folder.clone()));
        for (name, value) in &self.environment {
            lines.push(("environment", format!("{name}={value:?}")));
        }
        lines.push(("timeout", format!("{} s", self.timeout_seconds)));
        lines.push(("output", format!("at most {}", bytes(self.max_output_bytes))));
        lines.push(("at once", format!("at most {}", self.max_running)));
        lines.extend(self.sha256.iter().map(|hash| ("sha256", hash.clone())));
        lines.iter().map(|(label, value)| format!("{label:<12} {}\n", plain(value))).collect()
    }
}
