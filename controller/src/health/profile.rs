//! `checks.toml`: which checks, with which thresholds, for which hosts.
//!
//! A profile is a table: its checks by their names, each with `true`, `false`, or what would stand behind its flag;
//! `for` says whose it is, and `default = true` begins with what is done where nobody says otherwise.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::checks::{CHECKS, Check};
use super::meant;
use super::plan::{Plan, Wanted};
use crate::selection;

/// The profiles of a file, in its order.
#[derive(Debug, Default)]
pub struct Profiles {
    all: Vec<Profile>,
}

/// What is checked on some hosts.
#[derive(Debug, PartialEq)]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// Whose it is, as hosts are written on the command line; absent for one that is only named.
    pub selection: Option<String>,
    /// What is wanted.
    pub plan: Plan,
}

/// What is wrong with the file, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// At which key, with those around it; empty where the text is no TOML.
    pub key: String,
    /// What.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { line, column, key, message } = self;
        let key = if key.is_empty() { String::new() } else { format!("{}: ", key.escape_debug()) };
        write!(f, "{line}:{column}: {key}{message}")
    }
}

impl Profiles {
    /// Reads the file's text, or says all that is wrong with it.
    pub fn read(text: &str) -> Result<Profiles, Vec<Fault>> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { text, faults: Vec::new() };
        for error in &errors {
            reader.fault(error.span().map_or(0, |span| span.start), "", error.message());
        }
        let mut all = reader.profiles(document.get_ref());
        reader.faults.sort_by_key(|fault| (fault.line, fault.column));
        all.sort_by_key(|(at, _)| *at);
        if reader.faults.is_empty() {
            Ok(Profiles { all: all.into_iter().map(|(_, profile)| profile).collect() })
        } else {
            Err(reader.faults)
        }
    }

    /// The profiles in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.all.iter()
    }

    /// The profile of this name, or what to say instead.
    pub fn named(&self, name: &str) -> Result<&Profile, String> {
        let known = self.iter().map(|profile| profile.name.as_str());
        self.iter().find(|profile| profile.name == name).ok_or_else(|| meant::unknown("profile", name, known))
    }

    /// What is checked on a host that is in these selections: all of its profiles together, the later ones deciding;
    /// where it has none, what is done otherwise.
    pub fn plan(&self, is_in: impl Fn(&str) -> bool) -> Plan {
        let is_its = |profile: &&Profile| profile.selection.as_deref().is_some_and(&is_in);
        let plans = self.iter().filter(is_its).map(|profile| profile.plan.clone());
        let together = plans.reduce(|mut plan, more| {
            more.wanted().iter().for_each(|wanted| plan.want(wanted.clone()));
            plan
        });
        together.unwrap_or_else(Plan::standard)
    }
}

/// Where a profile stands, so that they stay in order.
type Placed = (usize, Profile);

/// Reads, and gathers what is wrong.
struct Reader<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn profiles(&mut self, root: &DeTable<'_>) -> Vec<Placed> {
        let mut all = Vec::new();
        for (key, value) in root {
            let name = key.get_ref().as_ref();
            match value.get_ref() {
                DeValue::Table(profiles) if name == "profile" => {
                    all.extend(profiles.iter().filter_map(|(name, value)| self.profile(name, value)));
                }
                _ if name == "profile" => {
                    self.fault(value.span().start, name, "this must be tables: write [profile.NAME]");
                }
                _ => {
                    let message = meant::unknown("key", name, ["profile"].into_iter());
                    self.fault(key.span().start, name, &message);
                }
            }
        }
        all
    }

    fn profile(
        &mut self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Placed> {
        let path = format!("profile.{}", name.get_ref());
        let Some(entries) = value.get_ref().as_table() else {
            self.fault(value.span().start, &path, &format!("this must be a table: write [{path}]"));
            return None;
        };
        let is_standard = entries.get("default").is_some_and(|value| value.get_ref().as_bool() == Some(true));
        let mut profile = Profile {
            name: name.get_ref().to_string(),
            selection: None,
            plan: if is_standard { Plan::standard() } else { Plan::default() },
        };
        for (key, value) in entries {
            let path = format!("{path}.{}", key.get_ref());
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("for", DeValue::String(selection)) => {
                    if let Err(fault) = selection::judge(selection) {
                        self.fault(self.inside(&value.span(), fault.at), &path, &fault.what);
                    }
                    profile.selection = Some(selection.to_string());
                }
                ("for", _) => {
                    self.fault(value.span().start, &path, "this must be hosts in quotes, such as \"@web\"")
                }
                ("default", DeValue::Boolean(_)) => {}
                ("default", _) => self.fault(value.span().start, &path, "this must be true or false"),
                (name, _) => match Check::named(name) {
                    Some(check) => self.check(check, value, &path, &mut profile.plan),
                    None => {
                        let known = CHECKS.iter().map(|check| check.name).chain(["for", "default"]);
                        self.fault(key.span().start, &path, &meant::unknown("check", name, known));
                    }
                },
            }
        }
        Some((name.span().start, profile))
    }

    fn check(&mut self, check: &'static Check, value: &Spanned<DeValue<'_>>, path: &str, plan: &mut Plan) {
        let at = value.span();
        match (value.get_ref(), check.subject()) {
            (DeValue::Boolean(true), None) => plan.want(Wanted::new(check, "")),
            (DeValue::Boolean(false), None) => plan.keep(|other| other.name != check.name),
            (DeValue::String(text), _) => self.written(check, text, at, path, plan),
            (DeValue::Array(list), Some(_)) => {
                for value in list {
                    match value.get_ref() {
                        DeValue::String(text) => self.written(check, text, value.span(), path, plan),
                        _ => self.fault(value.span().start, path, "this must be in quotes"),
                    }
                }
            }
            (DeValue::Table(table), Some(_)) => {
                for (subject, value) in table {
                    let path = format!("{path}.{}", subject.get_ref());
                    self.subject(Wanted::new(check, subject.get_ref()), value, &path, plan);
                }
            }
            (_, Some(_)) => self.fault(at.start, path, "this must be in quotes, or a list"),
            (_, None) if check.scale.is_none() => self.fault(at.start, path, "this must be true or false"),
            (_, None) => self.fault(at.start, path, "this must be true, false, or \"WARN,CRIT\""),
        }
    }

    /// One of the things that a check is done for, with its thresholds apart from it.
    fn subject(&mut self, wanted: Wanted, value: &Spanned<DeValue<'_>>, path: &str, plan: &mut Plan) {
        match value.get_ref() {
            DeValue::Boolean(true) => plan.want(wanted),
            DeValue::String(text) => match wanted.with(text) {
                Ok(wanted) => plan.want(wanted),
                Err(fault) => self.fault(self.inside(&value.span(), fault.at), path, &fault.to_string()),
            },
            _ => self.fault(value.span().start, path, "this must be true, or \"WARN,CRIT\""),
        }
    }

    /// What would stand behind the check's flag.
    fn written(&mut self, check: &'static Check, text: &str, at: Range<usize>, path: &str, plan: &mut Plan) {
        match Wanted::read(check, text) {
            Ok(wanted) => plan.want(wanted),
            Err(fault) => self.fault(self.inside(&at, fault.at), path, &fault.to_string()),
        }
    }

    /// A place within a string. Where that is written with escapes, its beginning is near enough.
    fn inside(&self, string: &Range<usize>, at: usize) -> usize {
        let is_plain =
            self.text.get(string.clone()).is_some_and(|text| !text.contains('\\') && !text.contains('\n'));
        if is_plain { string.start + 1 + at } else { string.start }
    }

    fn fault(&mut self, at: usize, key: &str, message: &str) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        // One line each, also where the parser says more.
        let message = message.lines().next().unwrap_or_default().to_owned();
        self.faults.push(Fault { line, column, key: key.to_owned(), message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[profile.web]
for = "@web"
default = true
disk = "85%,95%"
swap = false
users = true
service = ["nginx", "php-fpm:3,10"]
process = { nginx = "1:64", "a:b" = true }
declared = "mail-queue"

[profile.database]
for = "@db,db*"
cert = "~:"
file-age = ["/var/backup/last:26h,50h"]
mount = "/srv"
"#;

    fn flags(flags: &[(&str, &str)], mut plan: Plan) -> Plan {
        for (name, text) in flags {
            plan.want(Wanted::read(Check::named(name).unwrap(), text).unwrap());
        }
        plan
    }

    #[test]
    fn a_profile_says_what_its_flags_would() {
        let profiles = Profiles::read(FILE).unwrap();
        let mut web = Plan::standard();
        web.keep(|check| check.name != "swap");
        let web = flags(
            &[
                ("disk", "85%,95%"),
                ("users", "20,50"),
                ("service", "nginx"),
                ("service", "php-fpm:3,10"),
                ("process", "a:b:,1"),
                ("process", "nginx:1:64"),
                ("declared", "mail-queue"),
            ],
            web,
        );
        let read = profiles.named("web").unwrap();
        assert_eq!((read.selection.as_deref(), &read.plan), (Some("@web"), &web));
        let database = flags(
            &[("cert", "~:"), ("file-age", "/var/backup/last:26h,50h"), ("mount", "/srv")],
            Plan::default(),
        );
        assert_eq!(profiles.named("database").unwrap().plan, database);
        let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["web", "database"], "as they stand in the file");
        assert_eq!(profiles.named("webb").unwrap_err(), "there is no profile 'webb'; did you mean 'web'?");
    }

    #[test]
    fn a_host_has_all_its_profiles_and_otherwise_the_standard() {
        let text = "[profile.b]\nfor = '@b'\ndisk = '1%'\nload = true\n[profile.a]\nfor = '@a'\ndisk = '2%'\n\
                    [profile.c]\nusers = true\n";
        let profiles = Profiles::read(text).unwrap();
        assert_eq!(profiles.plan(|_| false), Plan::standard());
        assert_eq!(profiles.plan(|group| group == "@a"), flags(&[("disk", "2%")], Plan::default()));
        assert_eq!(profiles.plan(|_| true), flags(&[("disk", "2%"), ("load", "2,4")], Plan::default()));
        assert_eq!(Profiles::default().plan(|_| true), Plan::standard());
    }

    #[test]
    fn all_that_is_wrong_is_named_and_placed() {
        let text = r#"[profile.web]
dsik = "80%"
for = 5
default = "yes"
disk = "80%,9O%"
load = 2
reachable = "5"
service = ["a", 7, "b:x"]
process = { c = "1,2,3", d = 4 }
mount = true
inodes = "\u0038x"
[profile]
db = 1
[profiles]
"#;
        let said: Vec<String> = Profiles::read(text).unwrap_err().iter().map(Fault::to_string).collect();
        assert_eq!(
            said,
            [
                "2:1: profile.web.dsik: there is no check 'dsik'; did you mean 'disk'?",
                "3:7: profile.web.for: this must be hosts in quotes, such as \"@web\"",
                "4:11: profile.web.default: this must be true or false",
                "5:13: profile.web.disk: at character 5, '9O%': this is no share, such as 80% or 80",
                "6:8: profile.web.load: this must be true, false, or \"WARN,CRIT\"",
                "7:14: profile.web.reachable: at character 1, '5': this check has no thresholds",
                "8:17: profile.web.service: this must be in quotes",
                "8:23: profile.web.service: at character 3, 'x': this is no number, such as 10 or 0.5",
                "9:21: profile.web.process.c: at character 4, ',3': there are two thresholds, WARN,CRIT, and no third",
                "9:30: profile.web.process.d: this must be true, or \"WARN,CRIT\"",
                "10:9: profile.web.mount: this must be in quotes, or a list",
                "11:10: profile.web.inodes: at character 1, '8x': this is no share, such as 80% or 80",
                "13:6: profile.db: this must be a table: write [profile.db]",
                "14:2: profiles: there is no key 'profiles'; did you mean 'profile'?",
            ]
        );
    }

    #[test]
    fn what_is_no_toml_is_said_in_lines() {
        for text in ["profile.web", "[profile.web]\ndisk = \n", "[profile.web\n", "a = 1\na = 2\n", "\u{0}"] {
            let faults = Profiles::read(text).unwrap_err();
            assert!(faults.iter().all(|fault| fault.to_string().lines().count() == 1), "{faults:?}");
        }
        assert!(Profiles::read("").is_ok());
    }
}
