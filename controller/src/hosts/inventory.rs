//! The machines that are known by name, as `hosts.toml` keeps them. People write in that file too: what they wrote stays.
//!
//! A fleet's list is long and one machine is asked most of the time, so the file is not read as a whole: a table is found by its
//! header, and read when somebody wants to know. A slip in a table is told when it is read.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use certs::Name;
use hashbrown::HashTable;
use toml_edit::DocumentMut;

use super::endpoint::Endpoint;
use super::machine::{Machine, demand_word};
use super::tables::{self, Place};

const FIRST_LINE: &str =
    "# The machines this controller knows by name. `controller adopt`, `issue` and `hosts` add to it.\n";

/// What `hosts.toml` says.
#[derive(Debug, Default, Clone)]
pub struct Inventory {
    text: String,
    /// In the order of the file.
    machines: Vec<Place>,
    /// Places in there. The names stand in the text, and a long list has no copies of them.
    by_name: HashTable<usize>,
    hasher: RandomState,
    groups: BTreeMap<String, String>,
}

impl Inventory {
    /// Finds the tables of `hosts.toml`. What it does not know in there is an error, for a slip would look like a machine that is
    /// gone.
    pub(crate) fn parse(text: String) -> Result<Inventory, String> {
        let mut text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        // What is added later begins on a line of its own.
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let mut inventory = Inventory { text, ..Inventory::default() };
        let text = &inventory.text;
        inventory.machines = tables::of(text)?;
        let is_groups = |place: &Place| &text[place.header.clone()] == "[groups]";
        if let Some(at) = inventory.machines.iter().position(is_groups) {
            let groups = inventory.machines.remove(at).body(text);
            let at = groups.start;
            inventory.groups = tables::read(text, groups)?;
            let words = inventory.groups.keys().try_for_each(|word| demand_word(word));
            words.map_err(|fault| tables::fault(text, at, &fault))?;
        }
        inventory.index()
    }

    fn index(mut self) -> Result<Inventory, String> {
        let fault = |place: &Place, what: &str| tables::fault(&self.text, place.header.start, &what);
        let hash = |at: &usize| self.hasher.hash_one(self.name_of(&self.machines[*at]));
        let mut by_name = HashTable::with_capacity(self.machines.len());
        for (at, place) in self.machines.iter().enumerate() {
            let name = name_in(&self.text[place.header.clone()]).map_err(|what| fault(place, &what))?;
            let hashed = self.hasher.hash_one(name);
            if by_name.find(hashed, |other| self.name_of(&self.machines[*other]) == name).is_some() {
                return Err(fault(place, &format!("{name} stands here twice")));
            }
            by_name.insert_unique(hashed, at, hash);
        }
        self.by_name = by_name;
        Ok(self)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// All of them, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.machines.iter().map(|place| self.name_of(place))
    }

    /// The groups that stand in the file on their own, and the selections that they stand for.
    pub fn groups(&self) -> &BTreeMap<String, String> {
        &self.groups
    }

    /// Whether a machine is known by this name.
    pub fn knows(&self, name: &Name) -> bool {
        self.place(name).is_some()
    }

    /// What is known of a machine; nothing of one that is not known.
    ///
    /// # Errors
    /// There is a slip in its table.
    pub fn machine(&self, name: &Name) -> Result<Option<Machine>, String> {
        match self.place(name) {
            Some(place) => self.read(place).map(Some),
            None => Ok(None),
        }
    }

    /// All of them, each read when it is its turn.
    pub fn machines(&self) -> impl Iterator<Item = Result<(&str, Machine), String>> {
        self.machines.iter().map(|place| Ok((self.name_of(place), self.read(place)?)))
    }

    /// Those whose table holds this text somewhere: who is in a group need not be looked for in all others.
    pub fn machines_with(&self, text: &str) -> impl Iterator<Item = Result<(&str, Machine), String>> {
        let holds = move |place: &&Place| self.text[place.body(&self.text)].contains(text);
        self.machines.iter().filter(holds).map(|place| Ok((self.name_of(place), self.read(place)?)))
    }

    fn place(&self, name: &Name) -> Option<&Place> {
        let is_it = |at: &usize| self.name_of(&self.machines[*at]) == name.as_str();
        self.by_name.find(self.hasher.hash_one(name.as_str()), is_it).map(|at| &self.machines[*at])
    }

    fn name_of(&self, place: &Place) -> &str {
        name_in(&self.text[place.header.clone()]).unwrap_or_default()
    }

    fn read(&self, place: &Place) -> Result<Machine, String> {
        let name = self.name_of(place);
        let machine: Machine = tables::read(&self.text, place.body(&self.text))?;
        let checked = machine.check(name);
        checked
            .map_err(|fault| tables::fault(&self.text, place.header.start, &format!("{name}: {fault}")))?;
        Ok(machine)
    }

    /// The same machines and one more.
    ///
    /// # Errors
    /// The machine is known at other addresses, or there is a slip in the file.
    pub fn with(&self, name: &Name, addresses: &[Endpoint]) -> Result<Inventory, String> {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        if let Some(known) = self.machine(name)? {
            let at: Vec<String> = known.endpoints(name.as_str())?.iter().map(ToString::to_string).collect();
            if addresses.is_empty() || addresses == at {
                return Ok(self.clone());
            }
            return Err(format!("{name} is already known, at {}", at.join(", ")));
        }
        self.with_machines(&[(name.clone(), Machine { addresses, ..Machine::default() })])
    }

    /// The same machines and some that are not among them.
    ///
    /// # Errors
    /// One is among them, or what is said of it means nothing.
    pub fn with_machines(&self, machines: &[(Name, Machine)]) -> Result<Inventory, String> {
        let mut text = if self.text.is_empty() { FIRST_LINE.to_owned() } else { self.text.clone() };
        for (name, machine) in machines {
            machine.check(name.as_str())?;
            let mut table = DocumentMut::new();
            machine.write_over(&Machine::default(), &mut table);
            text += &format!("\n[hosts.{name}]\n{table}");
        }
        Inventory::parse(text)
    }

    /// The same machines but for these, and the comments above them.
    ///
    /// # Errors
    /// There is a slip in the file.
    pub fn without(&self, names: &[Name]) -> Result<Inventory, String> {
        let gone = names.iter().filter_map(|name| self.place(name));
        self.replaced(gone.map(|place| (place.whole(&self.text), String::new())).collect())
    }

    /// The same machines, of which one is called otherwise. Who must answer stays the same.
    ///
    /// # Errors
    /// There is a slip in its table, or another machine is called that.
    pub fn renamed(&self, old: &Name, new: &Name) -> Result<Inventory, String> {
        if old == new {
            return Ok(self.clone());
        }
        let Some(place) = self.place(old) else { return Ok(self.clone()) };
        let mut machine = self.read(place)?;
        let identity = machine.identity.take().unwrap_or_else(|| old.to_string());
        machine.identity = Some(identity).filter(|identity| identity != new.as_str());
        // Without an address, the old name was the address.
        if machine.addresses.is_empty() {
            machine.addresses = vec![old.to_string()];
        }
        let header = (place.header.clone(), format!("[hosts.{new}]"));
        self.replaced(vec![header, self.edited(place, &machine)?])
    }

    /// The same machines, of some of which something else is known.
    ///
    /// # Errors
    /// What is said of one means nothing, or there is a slip in its table.
    pub fn changed(&self, machines: &[(Name, Machine)]) -> Result<Inventory, String> {
        let known = machines.iter().filter_map(|(name, machine)| Some((self.place(name)?, machine)));
        self.replaced(known.map(|(place, machine)| self.edited(place, machine)).collect::<Result<_, _>>()?)
    }

    /// Another table in the place of this one; what did not change is written as it was.
    fn edited(&self, place: &Place, machine: &Machine) -> Result<(Range<usize>, String), String> {
        machine.check(self.name_of(place))?;
        let body = place.body(&self.text);
        let table = self.text[body.clone()].parse::<DocumentMut>();
        let mut table = table.map_err(|error| tables::fault(&self.text, body.start, &error.message()))?;
        machine.write_over(&self.read(place)?, &mut table);
        Ok((body, table.to_string()))
    }

    fn replaced(&self, mut places: Vec<(Range<usize>, String)>) -> Result<Inventory, String> {
        // What looks like a header may be a part of such a text, and would be cut in two.
        if let Some(at) = ["\"\"\"", "'''"].iter().find_map(|quotes| self.text.find(quotes)) {
            let what =
                "a text of several lines begins here; write it on one, and commands can change this file";
            return Err(tables::fault(&self.text, at, &what));
        }
        places.sort_by_key(|(place, _)| place.start);
        let (mut text, mut at) = (String::new(), 0);
        for (place, new) in places {
            text += &self.text[at..place.start];
            text += &new;
            at = place.end;
        }
        text += &self.text[at..];
        Inventory::parse(text)
    }
}

fn name_in(header: &str) -> Result<&str, String> {
    let inner = header.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default();
    // As all but a few are written.
    if let Some(name) = inner.strip_prefix("hosts.").filter(|name| Name::judge(name).is_ok()) {
        return Ok(name);
    }
    let keys: Vec<&str> = inner.split('.').map(|key| key.trim().trim_matches(['"', '\''])).collect();
    match keys[..] {
        ["hosts", name] => Name::judge(name).map(|()| name).map_err(|error| error.to_string()),
        ["hosts", name, key] => Err(format!(
            "write `{key} = {{ ... }}` in the table [hosts.{name}], in place of a table of its own"
        )),
        _ => {
            let header = header.escape_debug();
            Err(format!(
                "`{header}` is not known here; a machine is [hosts.NAME], and there may be one [groups]"
            ))
        }
    }
}

#[cfg(test)]
mod tests;
