//! Checks and commands that the machine's owner declared: a program with its arguments, and what peers may put into them.
//!
//! Nothing here starts anything. The process that talks to peers and the one that starts programs both read the declarations,
//! and each judges by itself what was asked.

mod beneath;
mod parameter;
mod readiness;
mod template;
mod trust;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use protocol::Refusal;
use protocol::chain::Hash;
use protocol::requests::caps::{Offer, Parameter as Offered};
use protocol::requests::explain::{Plan, Sort};

pub use parameter::{Kind, Parameter};
pub use template::Template;
pub(crate) use template::is_parameter_name;
pub(crate) use trust::{Way, network_cannot_change, nobody_else_can_change, place_of};

/// All that is declared, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declarations {
    /// `[check.NAME]`.
    pub checks: BTreeMap<String, Declaration>,
    /// `[command.NAME]`.
    pub commands: BTreeMap<String, Declaration>,
}

/// A check or a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// What its owner says of it.
    pub about: Option<String>,
    /// The program: an absolute path.
    pub program: PathBuf,
    /// What it is started with.
    pub arguments: Vec<Template>,
    /// What peers may put into the arguments.
    pub parameters: BTreeMap<String, Parameter>,
    /// When it is ended.
    pub timeout: Duration,
    /// So much of what it writes is sent.
    pub max_output: u64,
    /// So many run at the same time; others wait for their turn.
    pub max_running: usize,
    /// As whom it runs, when the agent is started as root.
    pub user: Option<User>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where it starts.
    pub folder: PathBuf,
    /// What the program's SHA-256 must be.
    pub sha256: Option<Hash>,
}

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// By name.
    pub name: String,
    /// By number.
    pub id: u32,
    /// The group that goes with it.
    pub group: u32,
}

/// A value for each parameter, by name.
pub type Given = BTreeMap<String, String>;

impl Declarations {
    /// Whether there is nothing that could be started.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.commands.is_empty()
    }

    /// What is declared under a name.
    pub(crate) fn find(&self, sort: Sort, name: &str) -> Result<&Declaration, Refusal> {
        self.of(sort).get(name).ok_or_else(|| Refusal::not_declared(sort, name))
    }

    pub(crate) fn of(&self, sort: Sort) -> &BTreeMap<String, Declaration> {
        match sort {
            Sort::Check => &self.checks,
            Sort::Command => &self.commands,
        }
    }
}

impl Declaration {
    /// What exactly would be started.
    ///
    /// # Errors
    /// The first parameter that is missing, not known, or not what its type takes.
    pub(crate) fn plan(&self, given: &Given) -> Result<Plan, Refusal> {
        let values = self.values(given, Parameter::value)?;
        let program = self.program.display().to_string();
        let arguments = self.arguments.iter().map(|argument| argument.fill(&values));
        Ok(Plan {
            argv: std::iter::once(program).chain(arguments).collect(),
            user: self.user.as_ref().map(|user| user.name.clone()),
            folder: self.folder.display().to_string(),
            environment: self.environment.clone(),
            timeout_seconds: self.timeout.as_secs_f64(),
            max_output_bytes: self.max_output,
            max_running: self.max_running as u64,
            sha256: self.sha256.map(|hash| hash.to_string()),
        })
    }

    /// The same as far as it can be told without looking at the disk.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn judge(&self, given: &Given) -> Result<(), Refusal> {
        self.values(given, Parameter::judge).map(|_| ())
    }

    fn values<T>(
        &self,
        given: &Given,
        read: impl Fn(&Parameter, &str) -> Result<T, String>,
    ) -> Result<BTreeMap<&str, T>, Refusal> {
        if let Some(unknown) = given.keys().find(|name| !self.parameters.contains_key(*name)) {
            let known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Refusal::bad_parameter(
                unknown,
                &format!("there is none of this name; it takes {known}"),
            ));
        }
        let value = |(name, parameter): (&'_ String, &Parameter)| {
            let value = given.get(name).or(parameter.default.as_ref()).ok_or("it must be given".to_owned());
            value.and_then(|value| read(parameter, value)).map_err(|why| Refusal::bad_parameter(name, &why))
        };
        self.parameters.iter().map(|entry| Ok((entry.0.as_str(), value(entry)?))).collect()
    }

    /// As peers are told of it.
    pub(crate) fn offer(&self) -> Offer {
        let parameters = self.parameters.iter().map(|(name, parameter)| {
            let (takes, default) = (parameter.kind.to_string(), parameter.default.clone());
            (name.clone(), Offered { takes, default })
        });
        Offer { about: self.about.clone(), parameters: parameters.collect() }
    }
}
