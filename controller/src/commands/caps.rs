//! `controller caps`: what an agent offers to you.

use std::collections::BTreeMap;

use clap::Args;
use protocol::requests::caps::{self, Offer, Offers};

use crate::client::Client;
use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::Show;
use crate::output::human::plain;

/// What an agent offers to you: requests, checks and commands, and what they take.
#[derive(Debug, Args)]
pub struct Caps {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

impl Caps {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        let asks = async |client: &mut Client| {
            let offers = client.ask(caps::Caps {}).await?;
            // Who cannot keep it has the answer all the same.
            let _ = completion::note(&desk.home, &client.greeted().host.label, &offers);
            Ok(offers)
        };
        fleet.ask(&self.hosts, asks).await
    }
}

impl Show for Offers {
    const SCHEMA: &'static str = "rollcall.caps/1";

    fn table(&self, host: &str) -> String {
        let mut text = format!("requests  {}\n", plain(&self.requests.join(", ")));
        text += &listed("check", host, &self.checks);
        text += &listed("run", host, &self.commands);
        text
    }
}

/// Each as it is typed, and below it what its parameters take.
fn listed(verb: &str, host: &str, offers: &BTreeMap<String, Offer>) -> String {
    let mut text = String::new();
    for (name, offer) in offers {
        let parameters = offer.parameters.iter().map(|(name, parameter)| match parameter.default {
            Some(_) => format!(" [{name}=...]"),
            None => format!(" {name}=..."),
        });
        let words = format!("controller {verb} {host} {name}{}", parameters.collect::<String>());
        let about = offer.about.as_ref().map(|about| format!("  # {about}")).unwrap_or_default();
        text += &format!("{}{}\n", plain(&words), plain(&about));
        for (name, parameter) in &offer.parameters {
            let default = parameter.default.as_ref();
            let default = default.map(|default| format!(" (otherwise {default})")).unwrap_or_default();
            text += &format!("    {:<14} {}{}\n", plain(name), plain(&parameter.takes), plain(&default));
        }
    }
    text
}
