//! Which checks are wanted of a host, with which thresholds, and what they find.

use super::checks::{CHECKS, Check, Need, REACHABLE, Subject, When};
use super::facts::{Facts, Needs};
use super::finding::{Finding, Report, Verdict, worst};
use super::range::Fault;
use super::threshold::Threshold;
use protocol::requests::check::State;

/// A check that is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which.
    pub check: &'static Check,
    /// What it is asked about; empty for a check of the whole machine.
    pub subject: String,
    /// What of its value is bad.
    pub threshold: Threshold,
}

/// The checks that are wanted, each once: what comes later takes the place of what was there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    wanted: Vec<Wanted>,
}

/// A check is the same where its name is.
impl PartialEq for Wanted {
    fn eq(&self, other: &Wanted) -> bool {
        self.is_same(other) && self.threshold == other.threshold
    }
}

impl Wanted {
    /// With the thresholds that it has where nobody says otherwise.
    pub fn new(check: &'static Check, subject: &str) -> Wanted {
        let threshold = check.scale.map(|scale| scale.standard()).unwrap_or_default();
        Wanted { check, subject: subject.to_owned(), threshold }
    }

    /// Reads what stands behind a flag: `WARN,CRIT`, `NAME` or `NAME:WARN,CRIT`.
    pub fn read(check: &'static Check, text: &str) -> Result<Wanted, Fault> {
        let Some(subject) = check.subject() else { return Wanted::new(check, "").with(text) };
        if text.is_empty() || text.starts_with(':') || text.contains(char::is_control) {
            return Err(Fault::new(0, text, "a name is missing, or has characters that no name has"));
        }
        if subject == Subject::Path && !text.starts_with('/') {
            return Err(Fault::new(0, text, "a path begins with /"));
        }
        let Some(scale) = check.scale else { return Ok(Wanted::new(check, text)) };
        // Names and ranges may both have colons in them: thresholds stand behind the first that has some behind it.
        let mut colons = text.match_indices(':').map(|(at, _)| at).filter(|at| *at > 0);
        let Some(first) = colons.clone().next() else { return Ok(Wanted::new(check, text)) };
        match colons.find(|at| scale.read(&text[at + 1..]).is_ok()) {
            Some(at) => Wanted::new(check, &text[..at]).with(&text[at + 1..]),
            None => Wanted::new(check, "").with(&text[first + 1..]).map_err(|fault| fault.after(first + 1)),
        }
    }

    /// With other thresholds.
    pub(super) fn with(self, text: &str) -> Result<Wanted, Fault> {
        match self.check.scale {
            Some(scale) => Ok(Wanted { threshold: scale.read(text)?, ..self }),
            None => Err(Fault::new(0, text, "this check has no thresholds")),
        }
    }

    fn is_same(&self, other: &Wanted) -> bool {
        self.check.name == other.check.name && self.subject == other.subject
    }

    fn judge(&self, facts: &Facts) -> Finding {
        let verdict = (self.check.judge)(facts, self);
        Finding {
            check: self.check.name.to_owned(),
            subject: self.subject.clone(),
            verdict: verdict.unwrap_or_else(|why| Verdict::new(State::Unknown, why)),
        }
    }
}

impl Plan {
    /// What is done where nobody says otherwise.
    pub fn standard() -> Plan {
        let always = CHECKS.iter().filter(|check| check.when == When::Always);
        Plan { wanted: always.map(|check| Wanted::new(check, "")).collect() }
    }

    /// What a machine's owner declared by this name, and nothing else.
    pub fn declared(name: &str) -> Plan {
        let check = CHECKS.iter().filter(|check| check.need == Need::Declared);
        Plan { wanted: check.map(|check| Wanted::new(check, name)).collect() }
    }

    /// What is wanted, in the order of the list of checks.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// Wants one more, or one differently.
    pub fn want(&mut self, wanted: Wanted) {
        self.wanted.retain(|other| !other.is_same(&wanted));
        self.wanted.push(wanted);
        let place = |wanted: &Wanted| CHECKS.iter().position(|check| check.name == wanted.check.name);
        self.wanted.sort_by_key(place);
    }

    /// Wants one where it is not wanted yet.
    pub fn want_also(&mut self, wanted: Wanted) {
        if !self.wanted.iter().any(|other| other.is_same(&wanted)) {
            self.want(wanted);
        }
    }

    /// Keeps only the checks that this is true of.
    pub fn keep(&mut self, is_kept: impl Fn(&Check) -> bool) {
        self.wanted.retain(|wanted| is_kept(wanted.check));
    }

    /// What has to be asked.
    pub fn needs(&self) -> Needs {
        Needs::of(&self.wanted)
    }

    /// Judges what is known of a host.
    pub fn judge(&self, host: &str, facts: &Facts) -> Report {
        let unreached = facts.reached.is_err() && self.is_of_the_host();
        let wanted = unreached.then(|| self.with_reachable());
        let wanted = wanted.as_ref().unwrap_or(self).wanted.iter();
        let checks: Vec<Finding> = wanted.map(|wanted| wanted.judge(facts)).collect();
        Report {
            host: host.to_owned(),
            at: facts.now,
            took: facts.took,
            reached: facts.reached.is_ok(),
            failure: None,
            certificate_ends: facts.certificate_ends.as_ref().ok().copied(),
            state: worst(checks.iter().map(|finding| finding.verdict.state)),
            checks,
        }
    }
}

impl Plan {
    /// Whether it is about the host. What its owner declared has a voice of its own: when a plugin did not run, its state is
    /// UNKNOWN by the convention of plugins.
    fn is_of_the_host(&self) -> bool {
        self.wanted.iter().any(|wanted| wanted.check.need != Need::Declared)
    }

    /// That a host is not reached is told whatever was asked for.
    fn with_reachable(&self) -> Plan {
        let mut plan = self.clone();
        Check::named(REACHABLE).into_iter().for_each(|check| plan.want_also(Wanted::new(check, "")));
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use protocol::requests::info::Section;

    fn read(name: &str, text: &str) -> Result<Wanted, Fault> {
        Wanted::read(Check::named(name).unwrap(), text)
    }

    #[test]
    fn the_standard_is_twelve_checks_in_one_round() {
        let plan = Plan::standard();
        let names: Vec<&str> = plan.wanted().iter().map(|wanted| wanted.check.name).collect();
        assert_eq!(
            names,
            [
                "reachable",
                "latency",
                "disk",
                "inodes",
                "read-only",
                "memory",
                "swap",
                "load",
                "clock",
                "synchronised",
                "cert",
                "uptime"
            ]
        );
        let sections = vec![Section::Disks, Section::Memory, Section::Cpu, Section::System];
        assert_eq!(plan.needs(), Needs { sections, ..Needs::default() });
    }

    #[test]
    fn only_what_is_needed_is_asked() {
        let mut plan = Plan::standard();
        plan.keep(|check| matches!(check.name, "reachable" | "cert"));
        assert_eq!(plan.needs(), Needs::default());
        for (name, text) in [
            ("process", "cron"),
            ("service", "nginx:3"),
            ("file-age", "/a:1h"),
            ("declared", "mail"),
            ("mount", "/"),
        ] {
            plan.want(read(name, text).unwrap());
        }
        let one = |name: &str| vec![name.to_owned()];
        let asked = Needs {
            sections: vec![Section::Disks],
            processes: one("cron"),
            services: one("nginx"),
            files: one("/a"),
            declared: one("mail"),
        };
        assert_eq!(plan.needs(), asked);
    }

    #[test]
    fn what_is_wanted_twice_is_wanted_as_it_was_said_last() {
        let mut plan = Plan::standard();
        for (name, text) in
            [("disk", "1%"), ("process", "a"), ("process", "b"), ("process", "a:5"), ("disk", "2%")]
        {
            plan.want(read(name, text).unwrap());
        }
        assert_eq!(plan.wanted().len(), 14);
        assert!(plan.wanted().contains(&read("disk", "2%").unwrap()));
        assert!(plan.wanted().contains(&read("process", "a:5").unwrap()));
        assert_eq!(plan.wanted()[2].check.name, "disk", "the order stays");
    }

    #[test]
    fn thresholds_stand_behind_the_first_colon_that_has_some_behind_it() {
        for (name, text, subject, threshold) in [
            ("process", "nginx", "nginx", ",1:"),
            ("process", "nginx:1:5", "nginx", "1:5"),
            ("process", "a:b:2,1", "a:b", "2:,1:"),
            ("file-age", "/a:b:10m:26h,2d", "/a:b", "600:93600,172800"),
            ("service", "getty@tty1.service:~:,9", "getty@tty1.service", "~:,9"),
            ("mount", "/srv:x", "/srv:x", ""),
        ] {
            let wanted = read(name, text).unwrap();
            let shown = [wanted.threshold.warning, wanted.threshold.critical]
                .map(|range| range.map_or(String::new(), |range| range.to_string()));
            assert_eq!(
                (wanted.subject.as_str(), shown.join(",").trim_end_matches(',')),
                (subject, threshold),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        for (name, text, said) in [
            ("process", "", "at character 1: a name is missing, or has characters that no name has"),
            ("mount", "srv", "at character 1, 'srv': a path begins with /"),
            ("process", ":1", "at character 1, ':1': a name is missing, or has characters that no name has"),
            (
                "process",
                "a\nb",
                "at character 1, 'a\\nb': a name is missing, or has characters that no name has",
            ),
            ("process", "nginx:x", "at character 7, 'x': this is no number, such as 10 or 0.5"),
            ("process", "nginx:", "at character 7: WARN, ,CRIT or WARN,CRIT is missing"),
            ("reachable", "5", "at character 1, '5': this check has no thresholds"),
            ("swap", "50%,9O%", "at character 5, '9O%': this is no share, such as 80% or 80"),
        ] {
            assert_eq!(read(name, text).unwrap_err().to_string(), said);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_is_too_much(which in 0..CHECKS.len(), text in ".{0,30}") {
            if let Err(fault) = Wanted::read(&CHECKS[which], &text) {
                prop_assert_eq!(fault.to_string().lines().count(), 1);
                prop_assert!(text[fault.at..].starts_with(&fault.piece));
            }
        }
    }
}
