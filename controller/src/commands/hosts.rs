//! `controller hosts`: the list of machines that are known by name, and what a selection means.

mod edit;
mod import;
mod list;

use clap::{Args, Subcommand};

use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;

/// Keep the list of machines that are known by name, and see what a selection means.
#[derive(Debug, Args)]
pub struct Hosts {
    /// What to do with it.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Whom a selection means [default: everybody].
    List(list::List),
    /// What is known of a machine.
    Show(list::One),
    /// Add a machine that has an identity already, from elsewhere.
    Add(edit::Add),
    /// Take machines off the list. Their certificates still hold: `controller revoke` makes them void.
    Remove(edit::Remove),
    /// Call a machine otherwise here. Its certificate keeps the name that it has.
    Rename(edit::Rename),
    /// Put labels on machines, and take them away.
    Label(edit::Label),
    /// Add the machines of an Ansible inventory, an ssh configuration or a plain list. Those that are known stay as they are.
    Import(import::Import),
}

impl Hosts {
    /// Shows or changes it.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        match &self.verb {
            Verb::List(list) => list.run(desk),
            Verb::Show(one) => one.run(desk),
            Verb::Add(add) => add.run(desk),
            Verb::Remove(remove) => remove.run(desk),
            Verb::Rename(rename) => rename.run(desk),
            Verb::Label(label) => label.run(desk),
            Verb::Import(import) => import.run(desk),
        }
    }
}
