//! What `run` and `check` have in common: whom they ask for what, and for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;

use crate::completion;
use crate::error::Trouble;
use crate::fleet::Which;

/// A program may be silent for as long as it may run, and the agent ends it when its time is over. This is for an agent that
/// is gone, where nobody said how long to wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(25 * 3600);

/// Something that a machine's owner declared.
#[derive(Debug, Clone, Args)]
pub struct What {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`; joined by commas.
    #[arg(add = completion::hosts())]
    pub hosts: String,
    /// As it is declared there: `controller caps HOST` lists them.
    #[arg(add = completion::declared())]
    pub name: String,
    /// A value for each of its parameters.
    #[arg(value_name = "NAME=VALUE", value_parser = parse_parameter, add = completion::parameters())]
    pub parameters: Vec<(String, String)>,
    /// Show what exactly would run, and do not run it.
    #[arg(long)]
    pub explain: bool,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

impl What {
    /// Each parameter once.
    pub(crate) fn values(&self) -> Result<BTreeMap<String, String>, Trouble> {
        let values: BTreeMap<String, String> = self.parameters.iter().cloned().collect();
        if values.len() < self.parameters.len() {
            let what = "a parameter is given twice".to_owned();
            return Err(Trouble::Here(what, "nothing was asked; give each once".to_owned()));
        }
        Ok(values)
    }
}

pub(crate) fn parse_parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a parameter is given as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
