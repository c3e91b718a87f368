//! `controller authority rotate`: another authority in the place of the one that is there, while all of the fleet serves.
//!
//! The old authority vouches for the new one, so that whoever believes only the old one believes what the new one signs. Then
//! machine by machine gets a new certificate, and believes both; and when nobody needs the old one any more, machine by
//! machine is told to forget it. How far that has come stands in two files of the home, so that it can be cut off anywhere:
//! `authority.pem` says which authorities are believed, and `rotation.jsonl` which machines have shown that they know.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use certs::store::{self, Existing};
use certs::{Fingerprint, Grant, Identity, Name, Revocations, Role, Serial, Validity};
use clap::Args;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::commands::init::Key;
use crate::desk::Desk;
use crate::error::{Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::Fleet;
use crate::home::Home;
use crate::hosts::Inventory;
use crate::office::{Office, Renewed};
use crate::registry::{How, Issued, Registry};

/// For whom the list does not say how long the certificate before held.
const USUAL_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);

/// So many of those that are left are told by name.
const TOLD: usize = 20;

/// Put another authority in the place of the old one, machine by machine.
#[derive(Debug, Args)]
#[command(
    after_help = "The first time it makes the new authority. From then on both are believed, and each further time it changes over the\n\
                  machines that were away. When none is left, --finish has the old one forgotten."
)]
pub(super) struct Rotate {
    /// Have the old authority forgotten, now that nobody needs it.
    #[arg(long)]
    finish: bool,
    /// Give up a machine or an operator that still needs the old authority: its certificates are revoked. May be given more
    /// than once.
    #[arg(long, value_name = "NAME", requires = "finish")]
    without: Vec<Name>,
    /// The kind of key that the new authority has.
    #[arg(long, default_value = "ed25519", conflicts_with = "finish")]
    key: Key,
}

impl Rotate {
    pub(super) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        desk.home.credentials()?;
        let registry = Registry::open(&desk.home)?;
        if self.finish { self.finish(desk, registry).await } else { self.change_over(desk, registry).await }
    }

    async fn change_over(&self, desk: &Desk, registry: Registry) -> Result<Exit, Trouble> {
        let mut registry = self.both(desk, registry)?;
        sign_own(desk, &mut registry)?;
        let rotation = Rotation::of(desk, registry, Step::Both)?;
        let exit = rotation.take("changed over").await?;
        desk.remark(&match rotation.left()? {
            left if left.is_empty() => "Everybody has changed over. To have the old authority forgotten:\n  \
                                        controller authority rotate --finish"
                .to_owned(),
            left => format!(
                "Both authorities are believed, until all have changed over. Still with the old one: {left}.\n\
                 Machines change over when this is run again; operators when they take a new certificate."
            ),
        });
        Ok(exit)
    }

    /// Makes the new authority, unless that was done before.
    fn both(&self, desk: &Desk, registry: Registry) -> Result<Registry, Trouble> {
        let authority = registry.authority();
        if authority.before().is_some() {
            return Ok(registry);
        }
        if authority.is_succeeding() {
            let what = "the authority before is being forgotten already".to_owned();
            return Err(Trouble::Here(what, "go on with: controller authority rotate --finish".to_owned()));
        }
        Notes::forget(&desk.home)?;
        let registry = registry.with_authority(|authority| authority.succeed(self.key.into()))?;
        desk.remark(&format!(
            "A new authority signs from now on: {}. The old one is believed too.",
            Fingerprint::of_certificate(registry.authority().certificate())?
        ));
        Ok(registry)
    }

    async fn finish(&self, desk: &Desk, registry: Registry) -> Result<Exit, Trouble> {
        if !registry.authority().is_succeeding() {
            let what = "no authority is taking the place of another".to_owned();
            return Err(Trouble::Here(
                what,
                "nothing was changed; begin with: controller authority rotate".to_owned(),
            ));
        }
        let registry = self.alone(desk, registry)?;
        let rotation = Rotation::of(desk, registry, Step::Alone)?;
        let exit = rotation.take("have forgotten the old authority").await?;
        let left = rotation.left()?;
        if !left.is_empty() {
            desk.remark(&format!(
                "Nobody who is to be reached believes the old authority any more. Only these do, until they are reached: {left}.\n\
                 Run this again when they are back, or give them up with --without NAME."
            ));
            return Ok(exit);
        }
        Notes::forget(&desk.home)?;
        rotation.office.registry.into_inner().with_authority(|authority| Ok(authority.settled()))?;
        desk.remark(
            "The old authority is forgotten. Whoever has it in a backup can do nothing with it here any more; operators' own\n\
             desks believe it until they take their next certificate.",
        );
        Ok(exit)
    }

    /// Throws the old authority's key away, if nobody needs it, and believes the new one alone at this desk.
    fn alone(&self, desk: &Desk, registry: Registry) -> Result<Registry, Trouble> {
        let credentials = desk.home.credentials()?;
        let known = &Arc::clone(credentials.revocations());
        let given_up = self.given_up(&registry, known)?;
        if registry.authority().before().is_some() {
            let notes = Notes::read(&desk.home)?;
            let left = Left::of(&registry, known, &notes, Step::Both, &self.without)?;
            if !left.is_empty() {
                return Err(Trouble::Here(
                    format!("the old authority is still needed by {left}"),
                    "nothing was changed; run `controller authority rotate` when they are back, or give them up with \
                     --without NAME"
                        .to_owned(),
                ));
            }
        }
        let believed = [registry.authority().certificate().clone()];
        let registry = registry.with_authority(|authority| Ok(authority.alone()))?;
        // What was signed by the one that goes is signed again, before anybody forgets it.
        let is_signed = credentials.authorities() == believed;
        if !given_up.is_empty() || (!is_signed && known.number() > 0) {
            registry.revoke(known, &given_up)?;
        }
        if !is_signed {
            credentials.believing(believed.to_vec())?.save(&desk.home.identity_file(), Existing::Replace)?;
        }
        Ok(registry)
    }

    /// The certificates of those that are given up.
    fn given_up(&self, registry: &Registry, known: &Revocations) -> Result<Vec<Serial>, Trouble> {
        for name in &self.without {
            if !registry.certificates().iter().any(|issued| issued.peer.identity.name == *name) {
                let what = format!("nothing was ever signed here for {name}");
                let hint = "nothing was changed; see what was with `controller certs`";
                return Err(Trouble::Here(what, hint.to_owned()));
            }
        }
        let given_up =
            registry.live(known).filter(|issued| self.without.contains(&issued.peer.identity.name));
        Ok(given_up.map(|issued| issued.peer.serial.clone()).collect())
    }
}

/// Has the new authority sign the identity of whoever sits here.
fn sign_own(desk: &Desk, registry: &mut Registry) -> Result<(), Trouble> {
    let present = desk.home.credentials()?;
    if present.authorities().first() == Some(registry.authority().certificate()) {
        return Ok(());
    }
    let own = present.own();
    let validity = Validity::lasting(life(registry, &own.identity));
    let grant = Grant { identity: &own.identity, teams: &own.teams, addresses: &[], validity };
    let credentials = registry.issue(present.algorithm(), &grant, How::Rotate)?;
    Ok(credentials.save(&desk.home.identity_file(), Existing::Replace)?)
}

/// As long as the certificate before was signed for.
fn life(registry: &Registry, identity: &Identity) -> SignedDuration {
    registry
        .newest(identity)
        .map_or(USUAL_LIFE, |issued| issued.peer.not_after.duration_since(issued.signed_at))
}

/// How far a machine has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    /// It has a certificate of the new authority, and believes both.
    Both,
    /// It believes the new one alone.
    Alone,
}

/// A step that all machines are to take.
struct Rotation<'a> {
    office: Office<'a>,
    notes: RefCell<Notes>,
    step: Step,
}

impl<'a> Rotation<'a> {
    fn of(desk: &'a Desk, registry: Registry, step: Step) -> Result<Rotation<'a>, Trouble> {
        let notes = RefCell::new(Notes::read(&desk.home)?);
        Ok(Rotation { office: Office::with(desk, registry)?, notes, step })
    }

    fn left(&self) -> Result<Left, Trouble> {
        let (registry, notes) = (self.office.registry.borrow(), self.notes.borrow());
        Left::of(&registry, self.office.credentials.revocations(), &notes, self.step, &[])
    }

    /// Has those that are left take the step.
    async fn take(&self, done: &str) -> Result<Exit, Trouble> {
        let left = self.left()?.machines;
        if left.is_empty() {
            return Ok(Exit::Answered);
        }
        let inventory = &self.office.desk.home.inventory()?;
        let hint = "mend that and run this again; the machine believes what it believed";
        let fleet = Fleet { desk: self.office.desk, done, not_begun: Kind::RenewalNotSigned, hint };
        let names: Vec<String> = left.iter().map(Name::to_string).collect();
        fleet
            .each(
                left.iter().zip(&names).map(|(name, label)| (label.as_str(), self.take_one(name, inventory))),
            )
            .await
    }

    async fn take_one(&self, name: &Name, inventory: &Inventory) -> Result<Renewed, Trouble> {
        if !inventory.knows(name) {
            let file = self.office.desk.home.hosts_file();
            let what = format!("{name} is not in {}, so nobody knows where it is", file.display());
            let hint = format!("write it there, or revoke it: controller revoke {name}");
            return Err(Trouble::Here(what, hint));
        }
        let life = life(&self.office.registry.borrow(), &Identity::agent(name.clone()));
        let renewed = self.office.renew(name.as_str(), life).await?;
        self.notes.borrow_mut().add(name, self.step)?;
        Ok(renewed)
    }
}

/// Who has not taken a step.
struct Left {
    machines: BTreeSet<Name>,
    operators: BTreeSet<Name>,
}

impl Left {
    fn of(
        registry: &Registry,
        known: &Revocations,
        notes: &Notes,
        step: Step,
        without: &[Name],
    ) -> Result<Left, Trouble> {
        let mut live: BTreeMap<&Identity, Vec<&Issued>> = BTreeMap::new();
        for issued in registry.live(known).filter(|issued| !without.contains(&issued.peer.identity.name)) {
            live.entry(&issued.peer.identity).or_default().push(issued);
        }
        let mut left = Left { machines: BTreeSet::new(), operators: BTreeSet::new() };
        for (identity, certificates) in live {
            let by_new = certificates.iter().map(|issued| registry.has_signed(issued));
            let by_new = by_new.collect::<Result<Vec<_>, _>>()?;
            let name = &identity.name;
            match (identity.role, step) {
                // Whoever asks is given a new certificate by hand, and what he does with it is not seen here.
                (Role::Controller, Step::Both) if !by_new.contains(&true) => {
                    left.operators.insert(name.clone());
                }
                (Role::Controller, _) => {}
                // One that was signed and never taken does not count: only what the machine has shown.
                (Role::Agent, Step::Both) if by_new.contains(&false) && !notes.has_taken(name, step) => {
                    left.machines.insert(name.clone());
                }
                (Role::Agent, Step::Both) => {}
                (Role::Agent, Step::Alone) => {
                    if !notes.has_taken(name, step) {
                        left.machines.insert(name.clone());
                    }
                }
            }
        }
        Ok(left)
    }

    fn is_empty(&self) -> bool {
        self.machines.is_empty() && self.operators.is_empty()
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
struct Notes {
    file: PathBuf,
    taken: BTreeMap<String, Step>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    name: String,
    step: Step,
}

impl Notes {
    fn read(home: &Home) -> Result<Notes, Trouble> {
        let file = home.rotation_file();
        let bytes = store::read_list(&file)?;
        // Half a line is what a crash leaves: that machine takes its step again.
        let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let notes = whole.map(serde_json::from_slice::<Note>).collect::<Result<Vec<_>, _>>();
        let notes = notes.map_err(|error| {
            let what = format!("{}: it is damaged: {error}", file.display());
            Trouble::Here(what, "remove the file; machines then take their step once more".to_owned())
        })?;
        if !bytes.ends_with(b"\n") && !bytes.is_empty() {
            let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            store::write_secret(&file, &bytes[..end], Existing::Replace)?;
        }
        Ok(Notes { file, taken: notes.into_iter().map(|note| (note.name, note.step)).collect() })
    }

    fn has_taken(&self, name: &Name, step: Step) -> bool {
        self.taken.get(name.as_str()).is_some_and(|taken| *taken >= step)
    }

    fn add(&mut self, name: &Name, step: Step) -> Result<(), Trouble> {
        let note = Note { name: name.to_string(), step };
        let line = serde_json::to_string(&note)
            .map_err(|error| Trouble::Here(format!("{}: {error}", self.file.display()), String::new()))?;
        store::append_line(&self.file, &line)?;
        self.taken.insert(note.name, step);
        Ok(())
    }

    fn forget(home: &Home) -> Result<(), Trouble> {
        let file = home.rotation_file();
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Trouble::Here(format!("{}: {error}", file.display()), "remove it by hand".to_owned()))
            }
            _ => Ok(()),
        }
    }
}
