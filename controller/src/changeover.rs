//! How far each machine and operator has come while one authority takes the place of another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use certs::{Identity, Name, Revocations, Role, Serial};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Trouble;
use crate::home::Home;
use crate::hosts::Inventory;
use crate::lines::{self, Lines, Unended};
use crate::registry::{Issued, Registry};

/// So many of those that are left are told by name.
const TOLD: usize = 20;

/// How far a machine has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    /// It has a certificate of the new authority, and believes both.
    Both,
    /// It believes the new one alone.
    Alone,
}

/// Who has not taken a step.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) machines: BTreeSet<Name>,
    pub(crate) operators: BTreeSet<Name>,
}

impl Left {
    /// A machine counts even when its certificate has ended, for it goes on believing whom it believes; and so does one that
    /// only hosts.toml knows. An operator whose certificate has ended is let in by nobody.
    pub(crate) fn of(
        registry: &Registry,
        known: &Revocations,
        inventory: &Inventory,
        notes: &Notes,
        step: Step,
    ) -> Left {
        let now = Timestamp::now();
        let mut live: BTreeMap<&Identity, Vec<&Issued>> = BTreeMap::new();
        for issued in registry.certificates().iter().filter(|issued| !known.contains(&issued.peer.serial)) {
            if issued.peer.identity.role == Role::Agent || issued.peer.not_after > now {
                live.entry(&issued.peer.identity).or_default().push(issued);
            }
        }
        let mut left = Left::default();
        let is_signed = |name: &Name| {
            let of_it = |issued: &Issued| issued.peer.identity == Identity::agent(name.clone());
            registry.certificates().iter().any(of_it)
        };
        let unsigned = inventory.names().filter_map(|name| name.parse().ok());
        left.machines.extend(unsigned.filter(|name| !is_signed(name) && !notes.has_taken(name, step)));
        for (Identity { role, name }, certificates) in live {
            let by_new = |issued: &&Issued| registry.has_signed(issued);
            let (place, is_left) = match (role, step) {
                // Whoever asks is given a new certificate by hand, and what he does with it is not seen here.
                (Role::Controller, Step::Both) => (&mut left.operators, !certificates.iter().any(by_new)),
                (Role::Controller, Step::Alone) => (&mut left.operators, false),
                // One that was signed and never taken does not count: only what the machine has shown.
                (Role::Agent, Step::Both) => {
                    (&mut left.machines, !certificates.iter().all(by_new) && !notes.has_taken(name, step))
                }
                (Role::Agent, Step::Alone) => (&mut left.machines, !notes.has_taken(name, step)),
            };
            if is_left {
                place.insert(name.clone());
            }
        }
        left
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.machines.is_empty() && self.operators.is_empty()
    }

    /// Takes these out, and returns their certificates, which are to be revoked.
    ///
    /// # Errors
    /// One of them is not left, so whoever wrote it means something else.
    pub(crate) fn give_up(
        &mut self,
        names: &[Name],
        registry: &Registry,
        known: &Revocations,
    ) -> Result<Vec<Serial>, Trouble> {
        let mut given_up = Vec::new();
        for name in names {
            let mut was_left = false;
            if self.machines.remove(name) {
                given_up.extend(registry.live_of(&Identity::agent(name.clone()), known));
                was_left = true;
            }
            if self.operators.remove(name) {
                given_up.extend(registry.live_of(&Identity::controller(name.clone()), known));
                was_left = true;
            }
            let is_live = registry.live(known).any(|issued| issued.peer.identity.name == *name);
            let was_known = registry.certificates().iter().any(|issued| issued.peer.identity.name == *name);
            if !was_left && (is_live || !was_known) {
                return Err(match is_live {
                    true => Trouble::Here(
                        format!("{name} does not need the old authority, so it need not be given up"),
                        format!("nothing was changed; leave it away, or revoke it: controller revoke {name}"),
                    ),
                    false => Trouble::Here(
                        format!("nothing was ever signed here for {name}"),
                        "nothing was changed; see what was with `controller certs`".to_owned(),
                    ),
                });
            }
        }
        Ok(given_up)
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("machines", &self.machines), ("operators", &self.operators)];
        let told = all.into_iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| {
            let more = match names.len().saturating_sub(TOLD) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let names: Vec<&str> = names.iter().take(TOLD).map(Name::as_str).collect();
            format!("{what} {}{more}", names.join(", "))
        });
        f.write_str(&told.collect::<Vec<_>>().join("; "))
    }
}

/// What machines have shown, a line each.
pub(crate) struct Notes {
    file: PathBuf,
    taken: BTreeMap<String, Step>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    name: String,
    step: Step,
}

impl Notes {
    pub(crate) fn read(home: &Home) -> Result<Notes, Trouble> {
        let file = home.rotation_file();
        // Half a line is what a crash leaves: that machine takes its step again.
        let notes = Lines::<Note>::read(&file, Unended::Dropped, |_| {
            let what = format!("{}: it is damaged", file.display());
            Trouble::Here(what, "remove the file; machines then take their step once more".to_owned())
        })?;
        let taken = notes.mended()?.into_iter().map(|note| (note.name, note.step)).collect();
        Ok(Notes { file, taken })
    }

    fn has_taken(&self, name: &Name, step: Step) -> bool {
        self.taken.get(name.as_str()).is_some_and(|taken| *taken >= step)
    }

    pub(crate) fn add(&mut self, name: &Name, step: Step) -> Result<(), Trouble> {
        let note = Note { name: name.to_string(), step };
        lines::append(&self.file, &note)?;
        self.taken.insert(note.name, step);
        Ok(())
    }

    pub(crate) fn forget(home: &Home) -> Result<(), Trouble> {
        let file = home.rotation_file();
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Trouble::Here(format!("{}: {error}", file.display()), "remove it by hand".to_owned()))
            }
            _ => Ok(()),
        }
    }
}
