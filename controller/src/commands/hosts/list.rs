//! `controller hosts list` and `show`.

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::Filter;
use crate::hosts::{Host, Inventory, Machine, Meant};
use crate::output::human::plain;
use crate::output::table::all_columns;
use crate::output::{Format, csv, json};
use crate::selection::fold;

/// Whom a selection means [default: everybody].
#[derive(Debug, Args)]
pub struct List {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(add = completion::hosts())]
    pub hosts: Vec<String>,
    /// On one line, as short as it can be said.
    #[arg(long, conflicts_with_all = ["expand", "count"])]
    pub fold: bool,
    /// One name a line.
    #[arg(long, conflicts_with = "count")]
    pub expand: bool,
    /// How many.
    #[arg(long)]
    pub count: bool,
    /// Which besides.
    #[command(flatten)]
    pub filter: Filter,
}

/// What is known of a machine.
#[derive(Debug, Args)]
pub struct One {
    /// Its name.
    #[arg(add = completion::hosts())]
    pub host: String,
}

/// A machine of the list, as scripts read it.
#[derive(Debug, Serialize)]
struct Known {
    host: String,
    /// Whether hosts.toml knows it.
    known: bool,
    addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    labels: std::collections::BTreeMap<String, String>,
    groups: std::collections::BTreeSet<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'a str,
    hosts: &'a [Known],
}

impl List {
    /// Shows them.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let inventory = desk.home.inventory()?;
        let is_all = self.hosts.is_empty() && self.filter.hosts_file.is_empty();
        if (self.fold || self.expand || self.count) && desk.format != Format::Table {
            let what = "--fold, --expand and --count are text, and have no other form".to_owned();
            return Err(Trouble::Here(what, "leave --output out, or those".to_owned()));
        }
        let all = ["@*".to_owned()];
        let labels = match is_all && inventory.names().next().is_none() {
            true => {
                desk.remark(
                    "no machine is known here; `controller adopt`, `issue` and `hosts add` make one known",
                );
                Vec::new()
            }
            false => {
                let hosts = if is_all { &all } else { &self.hosts[..] };
                self.filter.choose(hosts, desk, &inventory)?.labels
            }
        };
        if labels.is_empty() && desk.format == Format::Table && !self.count {
            return Ok(Exit::Answered);
        }
        if self.count {
            desk.print(&format!("{}\n", labels.len()))?;
        } else if self.fold {
            desk.print(&format!("{}\n", fold(labels.iter().map(String::as_str))))?;
        } else if self.expand {
            desk.print(&labels.iter().map(|label| format!("{label}\n")).collect::<String>())?;
        } else {
            show(desk, &inventory, &labels)?;
        }
        Ok(Exit::Answered)
    }
}

impl One {
    /// Shows it.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        desk.demand_form_of_one()?;
        let inventory = desk.home.inventory()?;
        let known = Known::of(desk, &inventory, &self.host)?;
        if !known.known {
            let what = format!("hosts.toml knows no machine called {}", plain(&self.host));
            return Err(Trouble::Here(what, "controller hosts list shows all of them".to_owned()));
        }
        if !desk.is_text() {
            desk.print(&in_json(desk, &[known]))?;
            return Ok(Exit::Answered);
        }
        let mut lines = vec![("host", known.host), ("addresses", known.addresses.join(", "))];
        lines.extend(known.identity.map(|identity| ("must prove", format!("to be {identity}"))));
        lines.extend(known.labels.iter().map(|(key, value)| ("label", format!("{key}={value}"))));
        lines.extend(known.groups.iter().map(|group| ("group", format!("@{group}"))));
        desk.print(
            &lines.iter().map(|(label, value)| format!("{label:<12} {}\n", plain(value))).collect::<String>(),
        )?;
        Ok(Exit::Answered)
    }
}

impl Known {
    fn of(desk: &Desk, inventory: &Inventory, label: &str) -> Result<Known, Trouble> {
        let slip = |fault: String| desk.home.damaged_hosts(&fault);
        let found = match Host::judge(label, inventory).ok().and_then(Meant::machine) {
            Some((name, _)) => inventory.machine(&name).map_err(slip)?,
            None => None,
        };
        let known = found.is_some();
        let Machine { identity, labels, groups, .. } = found.unwrap_or_default();
        let endpoints = Host::resolve(label, inventory).map(|host| host.endpoints).unwrap_or_default();
        let addresses = endpoints.iter().map(ToString::to_string).collect();
        Ok(Known { host: label.to_owned(), known, addresses, identity, labels, groups })
    }
}

fn show(desk: &Desk, inventory: &Inventory, labels: &[String]) -> Result<(), Trouble> {
    let all: Vec<Known> =
        labels.iter().map(|label| Known::of(desk, inventory, label)).collect::<Result<_, _>>()?;
    const COLUMNS: [&str; 4] = ["host", "addresses", "groups", "labels"];
    let row = |known: &Known, mark: &str| {
        let labels = known.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let groups = known.groups.iter().map(|group| format!("{mark}{group}"));
        let [labels, groups] = [labels.collect::<Vec<_>>(), groups.collect()];
        [known.host.clone(), known.addresses.join(" "), groups.join(" "), labels.join(" ")]
    };
    let text = match desk.format {
        Format::Json | Format::Jsonl => in_json(desk, &all),
        Format::Csv => {
            let rows = all.iter().map(|known| csv::line(row(known, "").map(Value::from)));
            std::iter::once(csv::line(COLUMNS.map(Value::from))).chain(rows).collect()
        }
        _ => {
            let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
            let rows: Vec<Vec<String>> = all.iter().map(|known| row(known, "@").map(shown).into()).collect();
            all_columns(Some(&COLUMNS), &rows, &[])
        }
    };
    desk.print(&text)
}

fn in_json(desk: &Desk, hosts: &[Known]) -> String {
    const SCHEMA: &str = "rollcall.hosts/1";
    match desk.format {
        Format::Jsonl => hosts.iter().map(|host| json::line(SCHEMA, host)).collect(),
        _ => json::document_of(&Document { schema: SCHEMA, hosts }),
    }
}
