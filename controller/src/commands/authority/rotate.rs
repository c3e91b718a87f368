//! `controller authority rotate`: another authority in the place of the one that is there, while all of the fleet serves.
//!
//! The old authority vouches for the new one, so that whoever believes only the old one believes what the new one signs. Then
//! machine by machine gets a new certificate, and believes both; and when nobody needs the old one any more, machine by
//! machine is told to forget it. How far that has come stands in two files of the home, so that it can be cut off anywhere:
//! `authority.pem` says which authorities are believed, and `rotation.jsonl` which machines have shown that they know.

use std::cell::RefCell;
use std::sync::Arc;

use certs::store::Existing;
use certs::{Grant, Name, Stage, Validity};
use clap::Args;
use futures_util::stream::{self, StreamExt};
use jiff::SignedDuration;

use crate::caller::Caller;
use crate::carry::carry;
use crate::changeover::{Left, Notes, Step};
use crate::commands::init::Key;
use crate::desk::Desk;
use crate::error::{Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::{Chosen, Fleet, Which, Words};
use crate::hosts::Inventory;
use crate::office::{Office, Renewed};
use crate::registry::{How, Registry};
use crate::span::parse_life;

/// How long the identity of whoever sits here holds.
const OWN_LIFE: SignedDuration = SignedDuration::from_hours(24 * 365);

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
    /// How long the machines' new certificates hold.
    #[arg(long = "for", value_name = "TIME", default_value = "90d", value_parser = parse_life)]
    life: SignedDuration,
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
        let rotation = Rotation::of(desk, registry, Step::Both, self.life)?;
        let exit = rotation.take("changed over").await?;
        desk.remark(&match rotation.left() {
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
        match registry.authority().stage() {
            Stage::Both => Ok(registry),
            Stage::Alone => {
                let what = "the authority before is being forgotten already".to_owned();
                let hint = "go on with: controller authority rotate --finish";
                Err(Trouble::Here(what, hint.to_owned()))
            }
            Stage::Settled => {
                Notes::forget(&desk.home)?;
                let registry = registry.with_authority(|authority| authority.succeed(self.key.into()))?;
                desk.remark(&format!(
                    "A new authority signs from now on: {}. The old one is believed too.",
                    registry.authority().fingerprint()
                ));
                Ok(registry)
            }
        }
    }

    async fn finish(&self, desk: &Desk, registry: Registry) -> Result<Exit, Trouble> {
        let mut registry = registry;
        if registry.authority().stage() != Stage::Settled {
            sign_own(desk, &mut registry)?;
            hear_all(desk).await?;
        }
        let registry = self.alone(desk, registry)?;
        let rotation = Rotation::of(desk, registry, Step::Alone, self.life)?;
        let exit = rotation.take("have forgotten the old authority").await?;
        let left = rotation.left();
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
            "The old authority is forgotten here, and by every machine that this desk knows and has not given up. Operators'\n\
             own desks believe it until they take their next certificate.",
        );
        Ok(exit)
    }

    /// Throws the old authority's key away, if nobody needs it, and believes the new one alone at this desk.
    fn alone(&self, desk: &Desk, registry: Registry) -> Result<Registry, Trouble> {
        let credentials = desk.home.credentials()?;
        let known = &Arc::clone(credentials.revocations());
        let (mut notes, inventory) = (Notes::read(&desk.home)?, desk.home.inventory()?);
        let give_up = |step| {
            let mut left = Left::of(&registry, known, &inventory, &notes, step);
            left.give_up(&self.without, &registry, known).map(|given_up| (left, given_up))
        };
        let registry = match registry.authority().stage() {
            Stage::Settled => {
                let what = "no authority is taking the place of another".to_owned();
                let hint = "nothing was changed; begin with: controller authority rotate";
                return Err(Trouble::Here(what, hint.to_owned()));
            }
            Stage::Both => {
                let (left, given_up) = give_up(Step::Both)?;
                if !left.is_empty() {
                    let hint = "nothing was changed; run `controller authority rotate` when they are back, or give them up \
                                with --without NAME";
                    return Err(Trouble::Here(
                        format!("the old authority is still needed by {left}"),
                        hint.to_owned(),
                    ));
                }
                registry.alone(known, &given_up)?
            }
            Stage::Alone => {
                let (_, given_up) = give_up(Step::Alone)?;
                if !given_up.is_empty() {
                    registry.revoke(known, &given_up)?;
                }
                registry
            }
        };
        // Also those with nothing left to revoke are not asked about again.
        self.without.iter().try_for_each(|name| notes.add(name, Step::Alone))?;
        let believed = registry.authority().believed();
        if credentials.authorities() != believed {
            credentials.believing(believed)?.save(&desk.home.identity_file(), Existing::Replace)?;
        }
        Ok(registry)
    }
}

/// Learns from every machine that is to be reached what it knows to be void, while lists of both authorities are believed: the
/// home may have been restored from a backup.
async fn hear_all(desk: &Desk) -> Result<(), Trouble> {
    const AT_ONCE: usize = 32;
    let caller = &Caller::at(desk)?;
    let names: Vec<String> = caller.inventory.names().map(str::to_owned).collect();
    let hear = |name: String| async move {
        let Ok(host) = caller.resolve(&name) else { return };
        if let Ok(mut client) = caller.approach(&host).walk().await {
            // Whoever cannot tell is asked again when it takes its step.
            let _ = carry(&mut client, &caller.credentials).await;
        }
    };
    stream::iter(names).map(hear).buffer_unordered(AT_ONCE).collect::<()>().await;
    Ok(())
}

/// Has the new authority sign the identity of whoever sits here.
fn sign_own(desk: &Desk, registry: &mut Registry) -> Result<(), Trouble> {
    let present = desk.home.credentials()?;
    if present.authorities().first() == Some(registry.authority().certificate()) {
        return Ok(());
    }
    let own = present.own();
    let validity = Validity::lasting(OWN_LIFE);
    let grant = Grant { identity: &own.identity, teams: &own.teams, addresses: &[], validity };
    let credentials = registry.issue(present.algorithm(), &grant, How::Rotate)?;
    Ok(credentials.save(&desk.home.identity_file(), Existing::Replace)?)
}

/// A step that all machines are to take.
struct Rotation<'a> {
    office: Office<'a>,
    notes: RefCell<Notes>,
    inventory: Inventory,
    step: Step,
    life: SignedDuration,
}

impl<'a> Rotation<'a> {
    fn of(
        desk: &'a Desk,
        registry: Registry,
        step: Step,
        life: SignedDuration,
    ) -> Result<Rotation<'a>, Trouble> {
        let notes = RefCell::new(Notes::read(&desk.home)?);
        let inventory = desk.home.inventory()?;
        Ok(Rotation { office: Office::with(desk, registry)?, notes, inventory, step, life })
    }

    fn left(&self) -> Left {
        let (registry, notes) = (self.office.registry.borrow(), self.notes.borrow());
        Left::of(&registry, self.office.caller.credentials.revocations(), &self.inventory, &notes, self.step)
    }

    /// Has those that are left take the step.
    async fn take(&self, done: &'static str) -> Result<Exit, Trouble> {
        let left = self.left().machines;
        if left.is_empty() {
            return Ok(Exit::Answered);
        }
        let hint = "mend that and run this again; the machine believes what it believed";
        let words = Words { done, not_begun: Kind::RenewalNotSigned, hint };
        let fleet = Fleet { desk: self.office.desk, which: &Which::default(), words };
        let chosen = Chosen { labels: left.iter().map(Name::to_string).collect(), is_one: false };
        fleet.each(&chosen, async |name| self.take_one(name).await).await
    }

    async fn take_one(&self, name: &str) -> Result<Renewed, Trouble> {
        let name = &name.parse::<Name>()?;
        if !self.inventory.knows(name) {
            let file = self.office.desk.home.hosts_file();
            let what = format!("{name} is not in {}, so nobody knows where it is", file.display());
            let hint = format!("write it there, or revoke it: controller revoke {name}");
            return Err(Trouble::Here(what, hint));
        }
        let renewed = self.office.renew(name.as_str(), self.life).await?;
        // One whose answer was lost takes the step again.
        if renewed.believes_besides.is_some() {
            self.notes.borrow_mut().add(name, self.step)?;
        }
        Ok(renewed)
    }
}
