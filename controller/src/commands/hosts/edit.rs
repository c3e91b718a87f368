//! `controller hosts add`, `remove`, `rename` and `label`: what they change, and nothing else in the file.

use std::collections::HashSet;

use certs::Name;
use clap::Args;

use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{Directory, Filter};
use crate::hosts::{Host, Inventory, Machine, Meant};
use crate::output::human::{cut, grouped};
use crate::selection::{self, fold};

/// Add a machine that has an identity already, from elsewhere.
#[derive(Debug, Args)]
pub struct Add {
    /// The name in its certificate.
    pub name: Name,
    /// Where it may be reached: a DNS name or an address, with :PORT when that is not 5669 [default: its name].
    #[arg(long = "address", value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// The port of addresses that name none.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// What to find it by.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    pub labels: Vec<(String, String)>,
    /// A group that it is in.
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
}

/// Take machines off the list.
#[derive(Debug, Args)]
pub struct Remove {
    /// Names, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// Which besides.
    #[command(flatten)]
    pub filter: Filter,
}

/// Call a machine otherwise here.
#[derive(Debug, Args)]
pub struct Rename {
    /// What it is called.
    #[arg(add = completion::hosts())]
    pub old: Name,
    /// What it is to be called.
    pub new: Name,
}

/// Put labels on machines, and take them away.
#[derive(Debug, Args)]
pub struct Label {
    /// Names, ranges such as `'web[01-20]'`, groups such as `@web`; joined by commas.
    #[arg(add = completion::hosts())]
    pub hosts: String,
    /// Labels: `KEY=VALUE`, or `KEY-` to take one away.
    #[arg(value_name = "LABEL", value_parser = parse_change)]
    pub labels: Vec<(String, Option<String>)>,
    /// Put them into a group.
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// Take them out of a group.
    #[arg(long = "no-group", value_name = "GROUP")]
    pub no_groups: Vec<String>,
    /// Which besides.
    #[command(flatten)]
    pub filter: Filter,
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is given as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn parse_change(text: &str) -> Result<(String, Option<String>), String> {
    match text.strip_suffix('-').filter(|key| !key.contains('=')) {
        Some(key) => Ok((key.to_owned(), None)),
        None => parse_label(text).map(|(key, value)| (key, Some(value))),
    }
}

impl Add {
    /// Adds it.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let Add { name, addresses, port, labels, groups } = self;
        let machine = Machine {
            addresses: addresses.clone(),
            port: *port,
            identity: None,
            labels: labels.iter().cloned().collect(),
            groups: groups.iter().cloned().collect(),
        };
        let at = machine.endpoints(name.as_str()).map_err(unchanged)?;
        change(desk, |inventory| {
            demand_unknown(inventory, name)?;
            inventory.with_machines(&[(name.clone(), machine)]).map_err(unchanged)
        })?;
        let at: Vec<String> = at.iter().map(ToString::to_string).collect();
        desk.remark(&format!("{name} is known now, at {}", at.join(", ")));
        Ok(Exit::Answered)
    }
}

impl Remove {
    /// Takes them off.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let mut gone = Vec::new();
        let inventory = change(desk, |inventory| {
            gone = known(&self.filter, &self.hosts, desk, inventory)?;
            inventory.without(&gone).map_err(unchanged)
        })?;
        desk.remark(&format!("removed: {}", counted(&gone)));
        remark_on_groups(desk, &inventory, &gone);
        Ok(Exit::Answered)
    }
}

impl Rename {
    /// Calls it so.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let Rename { old, new } = self;
        let inventory = change(desk, |inventory| {
            known(&Filter::default(), &[old.to_string()], desk, inventory)?;
            if old == new {
                return Ok(inventory.clone());
            }
            demand_unknown(inventory, new)?;
            inventory.renamed(old, new).map_err(unchanged)
        })?;
        let machine = inventory.machine(new).map_err(|fault| desk.home.damaged_hosts(&fault))?;
        let identity = machine.and_then(|machine| machine.identity).unwrap_or_else(|| new.to_string());
        desk.remark(&format!("{old} is called {new} now, and must prove to be {identity}"));
        if old != new {
            remark_on_groups(desk, &inventory, std::slice::from_ref(old));
        }
        Ok(Exit::Answered)
    }
}

impl Label {
    /// Puts them on.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let mut changed = Vec::new();
        change(desk, |inventory| {
            let names = known(&self.filter, std::slice::from_ref(&self.hosts), desk, inventory)?;
            let mut machines = Vec::new();
            for name in names {
                let machine = inventory.machine(&name).map_err(|fault| desk.home.damaged_hosts(&fault))?;
                let machine = machine.unwrap_or_default();
                let labelled = self.labelled(machine.clone());
                if labelled != machine {
                    changed.push(name.clone());
                    machines.push((name, labelled));
                }
            }
            inventory.changed(&machines).map_err(unchanged)
        })?;
        desk.remark(&match &changed[..] {
            [] => "nothing was changed: all of them were so already".to_owned(),
            changed => format!("changed: {}", counted(changed)),
        });
        Ok(Exit::Answered)
    }

    fn labelled(&self, mut machine: Machine) -> Machine {
        for (key, value) in &self.labels {
            match value {
                Some(value) => drop(machine.labels.insert(key.clone(), value.clone())),
                None => drop(machine.labels.remove(key)),
            }
        }
        machine.groups.extend(self.groups.iter().cloned());
        machine.groups.retain(|group| !self.no_groups.contains(group));
        machine
    }
}

/// Reads the list, changes it and writes it, while no other controller does; comes back with what it says now.
pub(super) fn change(
    desk: &Desk,
    change: impl FnOnce(&Inventory) -> Result<Inventory, Trouble>,
) -> Result<Inventory, Trouble> {
    desk.home.create()?;
    let _lock = desk.home.lock()?;
    let inventory = desk.home.inventory()?;
    let changed = change(&inventory)?;
    if changed.text() != inventory.text() {
        desk.home.save_inventory(&changed)?;
    }
    Ok(changed)
}

/// A folded list that is longer is cut.
const MAX_NAMES: usize = 40;

/// All of them, and how many where it is more than one.
fn counted(names: &[Name]) -> String {
    let all = cut(&fold(names.iter().map(Name::as_str)), MAX_NAMES);
    if names.len() > 1 { format!("{all} ({})", grouped(names.len())) } else { all }
}

fn demand_unknown(inventory: &Inventory, name: &Name) -> Result<(), Trouble> {
    if !inventory.knows(name) {
        return Ok(());
    }
    let hint = "choose another name; or change it with `controller hosts label` and `rename`, or in the file";
    Err(Trouble::Here(format!("there is a machine called {name} already"), hint.to_owned()))
}

/// What is written under `[groups]` does not follow: a name in there that is known no more means an address.
fn remark_on_groups(desk: &Desk, inventory: &Inventory, gone: &[Name]) {
    let directory = Directory::new(inventory, &desk.home);
    for (group, selection) in inventory.groups() {
        // A group that means nobody any more says so when it is asked for.
        let Ok(meant) = selection::select(&[selection], &directory) else { continue };
        // At whichever port.
        let meant: HashSet<&str> = meant.iter().filter_map(|it| it.split(':').next()).collect();
        let still: Vec<Name> = gone.iter().filter(|name| meant.contains(name.as_str())).cloned().collect();
        if !still.is_empty() {
            let file = desk.home.hosts_file();
            let still = counted(&still);
            desk.remark(&format!(
                "@{group} still means {still}: mend it under [groups] in {}",
                file.display()
            ));
        }
    }
}

/// Those who are meant, all of whom stand in the list.
fn known(
    filter: &Filter,
    hosts: &[String],
    desk: &Desk,
    inventory: &Inventory,
) -> Result<Vec<Name>, Trouble> {
    let labels = filter.choose(hosts, desk, inventory)?.labels;
    let name = |label: &str| match Host::judge(label, inventory) {
        Ok(Meant::Machine(name, None)) => Some(name),
        _ => None,
    };
    let unknown: Vec<&str> =
        labels.iter().map(String::as_str).filter(|label| name(label).is_none()).collect();
    if !unknown.is_empty() {
        return Err(unchanged(format!("hosts.toml does not know {}", fold(unknown))));
    }
    Ok(labels.iter().filter_map(|label| name(label)).collect())
}

pub(super) fn unchanged(fault: String) -> Trouble {
    Trouble::Here(fault, "nothing was changed; controller hosts list shows all machines".to_owned())
}
