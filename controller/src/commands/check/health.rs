//! The checks that are built in, of many hosts: which, by whose profile, and in which form.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use protocol::requests::check::State;
use tempfile::NamedTempFile;

use super::examine::examine;
use super::{Check, WORDS, Worst, status};
use crate::caller::Caller;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{Chosen, Directory, Fleet};
use crate::health::finding::Report;
use crate::health::flags::Flags;
use crate::health::plan::Plan;
use crate::health::profile::Profiles;
use crate::health::show::Line;
use crate::health::{junit, nagios, prometheus};
use crate::hosts::{Host, Inventory, Meant};
use crate::output::Format;
use crate::output::human::{cut, plain};
use crate::selection::{self, fold};

/// A folded list that is longer is cut.
const MAX_NAMES: usize = 120;

impl Check {
    /// Makes them, and says how bad it is.
    pub(super) async fn health(&self, caller: &Caller<'_>, chosen: &Chosen) -> Result<Exit, Trouble> {
        let plans = Plans::of(self, caller)?;
        plans.refuse_nothing(&chosen.labels)?;
        let parameters = self.what().map(|what| what.values()).transpose()?.unwrap_or_default();
        let worst = Worst::default();
        let job = async |host: &str| {
            let report = examine(caller, host, &plans.of_host(host), &parameters).await;
            worst.add(report.state);
            Ok(report)
        };
        let fleet = Fleet { desk: caller.desk, which: &self.which, words: WORDS };
        let exit = match (self.form(caller.desk.format), caller.desk.format) {
            (None, format @ (Format::Lines | Format::Fold)) => {
                let line = |report: Report| match format {
                    Format::Fold => Line(report.of_many()),
                    _ => Line(report),
                };
                fleet.each(chosen, async |host: &str| job(host).await.map(line)).await?
            }
            (None, _) => fleet.each(chosen, job).await?,
            (Some(form), format) => {
                let (reports, exit) = fleet.gather(chosen, job).await?;
                // Whoever reads this would take those who are missing for well.
                let found: HashSet<&str> = reports.iter().map(|report| report.host.as_str()).collect();
                let missing = chosen.labels.iter().map(String::as_str).filter(|host| !found.contains(host));
                let missing: Vec<&str> = missing.collect();
                if missing.is_empty() {
                    self.write(caller, &form(&reports))?;
                } else {
                    worst.add(State::Unknown);
                    if format == Format::Nagios {
                        let (count, all) = (missing.len(), chosen.labels.len());
                        let missing = cut(&fold(missing), MAX_NAMES);
                        let why = format!("{count} of {all} hosts were not asked, or did not end: {missing}");
                        self.write(caller, &status(worst.state(), &why))?;
                    }
                }
                exit
            }
        };
        Ok(worst.exit(exit))
    }

    /// The forms that are about all hosts together.
    fn form(&self, format: Format) -> Option<fn(&[Report]) -> String> {
        match format {
            Format::Nagios => Some(|reports| match reports {
                [report] => nagios::of_host(report),
                reports => nagios::of_fleet(reports),
            }),
            Format::Prometheus => Some(prometheus::of_fleet),
            Format::Junit => Some(junit::of_fleet),
            _ => None,
        }
    }

    pub(super) fn write(&self, caller: &Caller<'_>, text: &str) -> Result<(), Trouble> {
        match &self.to {
            Some(file) => replace(file, text).map_err(|error| {
                let why = match error.kind() {
                    ErrorKind::NotFound if file.is_symlink() => "it is a link that leads nowhere".to_owned(),
                    ErrorKind::NotFound => "there is no such folder".to_owned(),
                    kind => kind.to_string(),
                };
                let what = format!("{} cannot be written: {why}", file.display());
                Trouble::Here(what, "the old one, where there was one, is still there".to_owned())
            }),
            None => caller.desk.print(text),
        }
    }
}

/// Whoever reads the file sees the old one or the new one, and never half of it. What is no file, such as a pipe, is written to.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    if fs::metadata(file).is_ok_and(|found| !found.is_file()) {
        return fs::OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes());
    }
    let target = match fs::canonicalize(file) {
        Err(error) if file.is_symlink() => return Err(error),
        found => found.ok(),
    };
    let file = target.as_deref().unwrap_or(file);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    // It is for whoever collects such files, who is another user; where there was one, its owner has decided.
    let mode = fs::metadata(file).map_or(0o644, |old| old.permissions().mode() & 0o777);
    new.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    new.persist(file)?;
    Ok(())
}

/// What is checked on which host.
pub(crate) enum Plans<'a> {
    Same(Plan),
    ByHost {
        flags: Flags,
        profiles: Profiles,
        members: HashMap<String, HashSet<String>>,
        inventory: &'a Inventory,
    },
}

impl<'a> Plans<'a> {
    fn of(check: &Check, caller: &'a Caller<'_>) -> Result<Plans<'a>, Trouble> {
        if let Some(name) = &check.name {
            return Ok(Plans::Same(Plan::declared(name)));
        }
        let Some(name) = &check.profile else {
            return Plans::by_host(check.profiles.as_deref(), check.flags.clone(), caller);
        };
        let (file, profiles) = read(check.profiles.as_deref(), caller)?;
        let profile = profiles.named(name).map_err(|fault| in_file(&file, &fault))?;
        Ok(Plans::Same(check.flags.over(profile.plan.clone())))
    }

    /// Each host's own profiles, where it has some.
    pub(crate) fn by_host(
        named: Option<&Path>,
        flags: Flags,
        caller: &'a Caller<'_>,
    ) -> Result<Plans<'a>, Trouble> {
        let (file, profiles) = read(named, caller)?;
        if profiles.iter().all(|profile| profile.selection.is_none()) {
            return Ok(Plans::Same(flags.over(Plan::standard())));
        }
        let mut members = HashMap::new();
        let directory = Directory::new(&caller.inventory, &caller.desk.home);
        for profile in profiles.iter() {
            let Some(selection) = &profile.selection else { continue };
            let names = selection::select(&[selection], &directory);
            if let Some(damaged) = directory.fault() {
                return Err(damaged);
            }
            // The others still count: one group that is gone must not blind all monitoring.
            let names = names.unwrap_or_else(|fault| {
                let what = format!("{}: profile.{} is nobody's: {fault}", file.display(), profile.name);
                caller.desk.say(&format!("controller: {}", plain(&what)));
                Vec::new()
            });
            let whose = names.iter().map(|name| whose(name, &caller.inventory)).collect();
            members.insert(selection.clone(), whose);
        }
        Ok(Plans::ByHost { flags, profiles, members, inventory: &caller.inventory })
    }

    /// Of nothing, nothing could be said.
    pub(crate) fn refuse_nothing(&self, hosts: &[String]) -> Result<(), Trouble> {
        match hosts.iter().find(|host| self.of_host(host).wanted().is_empty()) {
            None => Ok(()),
            Some(host) => {
                let what = format!("nothing is left to check on {host}");
                let hint = "nobody was asked; --only, --skip or a profile leaves nothing, and what is done for a name needs \
                            one, such as --process NAME";
                Err(Trouble::Here(what, hint.to_owned()))
            }
        }
    }

    pub(crate) fn of_host(&self, host: &str) -> Cow<'_, Plan> {
        match self {
            Plans::Same(plan) => Cow::Borrowed(plan),
            Plans::ByHost { flags, profiles, members, inventory } => {
                let whose = whose(host, inventory);
                let is_in = |selection: &str| members.get(selection).is_some_and(|all| all.contains(&whose));
                Cow::Owned(flags.over(profiles.plan(is_in)))
            }
        }
    }
}

/// Whose profile it is: a machine's at whichever port, an address's in each spelling.
fn whose(host: &str, inventory: &Inventory) -> String {
    match Host::judge(host, inventory) {
        Ok(Meant::Machine(name, _)) => name.to_string(),
        Ok(address) => address.to_string(),
        Err(_) => host.to_owned(),
    }
}

/// Where nobody names a file, there need not be one.
fn read(named: Option<&Path>, caller: &Caller<'_>) -> Result<(PathBuf, Profiles), Trouble> {
    let file = named.map_or_else(|| caller.desk.home.checks_file(), Path::to_owned);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => String::new(),
        Err(error) => return Err(in_file(&file, &format!("cannot be read: {error}"))),
    };
    let profiles = Profiles::read(&text).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        in_file(&file, &faults.join("; "))
    })?;
    Ok((file, profiles))
}

fn in_file(file: &Path, fault: &str) -> Trouble {
    let what = format!("{}: {fault}", file.display());
    Trouble::Here(what, "nobody was asked; controller check --list shows what can be checked".to_owned())
}
