//! The checks as flags of a command line: one for each that takes something, made from the list of checks.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::checks::{CHECKS, Check};
use super::meant;
use super::plan::{Plan, Wanted};

/// What a person wants checked, beyond what a profile says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    wanted: Vec<Wanted>,
    only: Vec<&'static Check>,
    skip: Vec<&'static Check>,
}

impl Flags {
    /// Whether nobody said anything.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.only.is_empty() && self.skip.is_empty()
    }

    /// A check that somebody says something of, and that is left out all the same.
    pub fn in_vain(&self) -> Option<&'static str> {
        let mut checks = self.wanted.iter().map(|wanted| wanted.check);
        checks.find(|check| !self.keeps(check)).map(|check| check.name)
    }

    fn keeps(&self, check: &Check) -> bool {
        let is_among = |these: &[&Check]| these.iter().any(|other| other.name == check.name);
        (self.only.is_empty() || is_among(&self.only)) && !is_among(&self.skip)
    }

    /// What is wanted, where a profile or nobody has said this.
    pub fn over(&self, mut plan: Plan) -> Plan {
        self.wanted.iter().for_each(|wanted| plan.want(wanted.clone()));
        for check in self.only.iter().filter(|check| check.subject().is_none()) {
            plan.want_also(Wanted::new(check, ""));
        }
        plan.keep(|check| self.keeps(check));
        plan
    }
}

fn named(text: &str) -> Result<&'static Check, String> {
    let known = CHECKS.iter().map(|check| check.name);
    Check::named(text).ok_or_else(|| meant::unknown("check", text, known))
}

fn flag(check: &'static Check) -> Option<Arg> {
    let takes = check.takes()?;
    let usual = check.scale.map(|scale| format!(" [{}]", scale.standard)).unwrap_or_default();
    let arg =
        Arg::new(check.name).long(check.name).value_name(takes).help(format!("{}{usual}", check.sentence));
    let arg = arg.help_heading("Checks");
    let arg = arg.value_parser(move |text: &str| Wanted::read(check, text));
    // A range may begin below nothing, and so with a hyphen; a name does not.
    Some(if check.subject().is_some() {
        arg.action(ArgAction::Append)
    } else {
        arg.allow_hyphen_values(true)
    })
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let names = |id: &'static str, help: &'static str| {
            let arg = Arg::new(id).long(id).value_name("CHECKS").help(help).help_heading("Checks");
            arg.value_delimiter(',').action(ArgAction::Append).value_parser(named)
        };
        let command = command.args(CHECKS.iter().filter_map(flag));
        command
            .arg(names("only", "Only these checks, separated by commas"))
            .arg(names("skip", "All but these checks, separated by commas"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags, Error> {
        let names = |id| matches.get_many(id).unwrap_or_default().copied().collect();
        let flags = CHECKS.iter().filter(|check| check.takes().is_some());
        let wanted = flags.flat_map(|check| matches.get_many::<Wanted>(check.name).unwrap_or_default());
        Ok(Flags { wanted: wanted.cloned().collect(), only: names("only"), skip: names("skip") })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Flags::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// A verb with these flags.
    #[derive(Debug, Parser)]
    struct Verb {
        host: String,
        #[command(flatten)]
        flags: Flags,
    }

    fn plan(line: &str) -> Plan {
        Verb::try_parse_from(line.split(' ')).unwrap().flags.over(Plan::standard())
    }

    fn wanted(name: &str, text: &str) -> Wanted {
        Wanted::read(Check::named(name).unwrap(), text).unwrap()
    }

    #[test]
    fn flags_change_the_standard_and_add_to_it() {
        assert_eq!(plan("check web-1"), Plan::standard());
        let mut below = Plan::standard();
        below.want(wanted("load", "-1:1"));
        below.want(wanted("disk", "-5:5"));
        assert_eq!(plan("check web-1 --load -1:1 --disk -5:5"), below);
        let mut expected = Plan::standard();
        for (name, text) in
            [("disk", "85%,95%"), ("clock", "~:1s"), ("users", "5"), ("process", "a"), ("process", "b:2")]
        {
            expected.want(wanted(name, text));
        }
        assert_eq!(
            plan("check --disk 85%,95% --clock ~:1s web-1 --users 5 --process a --process b:2"),
            expected
        );
    }

    #[test]
    fn some_or_all_but_some() {
        let names =
            |line: &str| plan(line).wanted().iter().map(|wanted| wanted.check.name).collect::<Vec<&str>>();
        assert_eq!(names("check web-1 --only disk,load"), ["disk", "load"]);
        assert_eq!(names("check web-1 --only disk --users 5"), ["disk"]);
        assert_eq!(names("check web-1 --only disk,load --skip load"), ["disk"]);
        assert_eq!(
            names("check web-1 --only users"),
            ["users"],
            "what is named is done, also if it is not always"
        );
        assert_eq!(plan("check web-1 --only disk --disk 5%").wanted(), [wanted("disk", "5%")]);
        assert_eq!(names("check web-1 --skip swap --skip cert").len(), 10);
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        for (line, said) in [
            (
                "check web-1 --disk 80%,9O%",
                "invalid value '80%,9O%' for '--disk <WARN,CRIT>': at character 5, '9O%': this is no share",
            ),
            ("check web-1 --only dsik", "there is no check 'dsik'; did you mean 'disk'?"),
            (
                "check web-1 --cert=-5d:-9d",
                "at character 5, '-9d': a range ends where it starts or after that",
            ),
        ] {
            let error = Verb::try_parse_from(line.split(' ')).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        <Verb as clap::CommandFactory>::command().debug_assert();
    }
}
