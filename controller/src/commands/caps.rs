//! `controller caps`: what an agent offers to you.

use std::collections::BTreeMap;

use clap::Args;
use protocol::requests::caps::{self, Offer, Offers};

use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::output::Show;
use crate::output::human::plain;

/// What an agent offers to you: requests, checks and commands, and what they take.
#[derive(Debug, Args)]
pub struct Caps {
    /// A name, an address, or either with :PORT.
    #[arg(add = completion::hosts())]
    pub host: String,
}

impl Caps {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let offers = desk.connect(&self.host).await?.ask(caps::Caps {}).await?;
        desk.show(&self.host, &offers)?;
        // Who cannot keep it has the answer all the same.
        let _ = completion::note(&desk.home, &self.host, &offers);
        Ok(Exit::Answered)
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
