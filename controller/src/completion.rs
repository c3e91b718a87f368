//! What a shell may offer next: machines that this desk knows, and what they offered when `caps` was asked last. Nobody is asked
//! while somebody types.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

use certs::store::{self, Existing};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use protocol::requests::caps::{Offer, Offers};

use crate::error::Trouble;
use crate::home::Home;

/// The offers of each machine, by what it was called.
type Known = BTreeMap<String, Offers>;

/// Machines that stand in hosts.toml.
pub(crate) fn hosts() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let inventory = home().inventory().unwrap_or_default();
        let groups = inventory.groups().keys().map(|group| CompletionCandidate::new(format!("@{group}")));
        inventory.names().map(CompletionCandidate::new).chain(groups).collect()
    })
}

/// Checks or commands of the machine that was typed before.
pub(crate) fn declared() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let candidate =
            |(name, offer): (String, Offer)| CompletionCandidate::new(name).help(offer.about.map(Into::into));
        offers().into_iter().map(candidate).collect()
    })
}

/// Parameters of the one that was typed before.
pub(crate) fn parameters() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let typed = typed();
        let offer = offers().into_iter().find(|(name, _)| typed.contains(name));
        let parameters = offer.map(|(_, offer)| offer.parameters).unwrap_or_default();
        let candidate = |(name, parameter): (String, protocol::requests::caps::Parameter)| {
            CompletionCandidate::new(format!("{name}=")).help(Some(parameter.takes.into()))
        };
        parameters.into_iter().map(candidate).collect()
    })
}

/// Notes what a machine offers, for the next time that somebody types.
pub(crate) fn note(home: &Home, host: &str, offers: &Offers) -> Result<(), Trouble> {
    let mut known = known(home);
    known.insert(host.to_owned(), offers.clone());
    let text = serde_json::to_vec(&known).unwrap_or_default();
    Ok(store::write_secret(&home.offers_file(), &text, Existing::Replace)?)
}

/// What cannot be read is not known.
fn known(home: &Home) -> Known {
    let text = fs::read(home.offers_file()).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn offers() -> BTreeMap<String, Offer> {
    let typed = typed();
    let mut known = known(&home());
    let Some(offers) = typed.iter().find_map(|word| known.remove(word)) else { return BTreeMap::new() };
    match typed.iter().any(|word| word == "check") {
        true => offers.checks,
        false => offers.commands,
    }
}

fn home() -> Home {
    let named = env::var_os("ROLLCALL_HOME").map(PathBuf::from);
    let typed = typed();
    let joined = typed.iter().find_map(|word| word.strip_prefix("--home="));
    let apart = typed.iter().skip_while(|word| *word != "--home").nth(1).map(String::as_str);
    Home::locate(joined.or(apart).map(PathBuf::from).or(named).as_deref())
}

/// The words before the one that is being typed.
fn typed() -> Vec<String> {
    env::args_os().filter_map(|word| word.into_string().ok()).collect()
}
