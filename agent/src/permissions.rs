//! Who may ask what. The agent's owner decides, and `Permissions::admit` is the one gate: requests are answered only
//! from what it lets through.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use certs::{Name, Peer};
use protocol::requests::explain::Sort;
use protocol::requests::{Access, NAMES, access};
use protocol::{Ask, Refusal};

use crate::declared::Declarations;

/// What the owner granted and took away, beyond what is open by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// What is granted.
    pub allow: Vec<Rule>,
    /// What is taken away. Wins over what is granted.
    pub deny: Vec<Rule>,
}

/// One line of the owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whom it concerns.
    pub who: Who,
    /// What it is about.
    pub what: Vec<What>,
}

/// Whom a rule concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Every controller of the authority: `*`.
    Everyone,
    /// A team: `@ops`.
    Team(Name),
    /// One controller: `alice`.
    Controller(Name),
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// All there is: `*`. It can be taken away, and not be granted.
    Everything,
    /// A request, such as `info`; or one thing that a request can do, such as `run:restart-nginx`.
    Permission(String),
}

/// A request that may be answered, and whose it is. Only the gate makes one.
#[derive(Debug)]
pub(crate) struct Permitted {
    ask: Ask,
    peer: Arc<Peer>,
}

impl Permitted {
    pub(crate) fn into_parts(self) -> (Ask, Arc<Peer>) {
        (self.ask, self.peer)
    }
}

/// Why something is not permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Denied {
    TakenAwayFrom(Who),
    NotGranted,
}

impl Permissions {
    /// The gate.
    pub(crate) fn admit(&self, peer: &Arc<Peer>, ask: Ask) -> Result<Permitted, Refusal> {
        self.check(peer, &ask.permission())?;
        Ok(Permitted { ask, peer: Arc::clone(peer) })
    }

    /// Whether this peer has this permission, and otherwise what its refusal says.
    pub(crate) fn check(&self, peer: &Peer, permission: &str) -> Result<(), Refusal> {
        let name = peer.identity.name.as_str();
        self.judge(peer, permission).map_err(|denied| match denied {
            Denied::TakenAwayFrom(who) => Refusal::taken_away(permission, name, &who.to_string()),
            Denied::NotGranted => Refusal::not_granted(permission, name),
        })
    }

    /// All that this peer may ask.
    pub(crate) fn all_of(&self, peer: &Peer) -> Vec<String> {
        let granted = self.allow.iter().flat_map(|rule| &rule.what).filter_map(|what| match what {
            What::Everything => None,
            What::Permission(permission) => Some(permission.as_str()),
        });
        let mut all: Vec<&str> = NAMES.iter().copied().chain(granted).collect();
        all.retain(|permission| self.judge(peer, permission).is_ok());
        all.sort_unstable();
        all.dedup();
        all.into_iter().map(str::to_owned).collect()
    }

    /// A line for each rule about something that is not declared.
    pub fn for_nothing(&self, declared: &Declarations) -> Vec<String> {
        let rules = [("allow", &self.allow), ("deny", &self.deny)];
        let each = rules.into_iter().flat_map(|(table, rules)| rules.iter().map(move |rule| (table, rule)));
        let undeclared = |what: &What| {
            let What::Permission(permission) = what else { return None };
            let (word, name) = permission.split_once(':')?;
            let sort = Sort::ALL.into_iter().find(|sort| sort.request() == word)?;
            declared
                .find(sort, name)
                .is_err()
                .then(|| format!("`{permission}`, and no {} `{name}`", sort.table()))
        };
        each.flat_map(|(table, rule)| {
            let undeclared = rule.what.iter().filter_map(undeclared);
            undeclared.map(move |what| format!("{table}.{}: it says {what} is declared", rule.who))
        })
        .collect()
    }

    fn judge(&self, peer: &Peer, permission: &str) -> Result<(), Denied> {
        if let Some(rule) = self.deny.iter().find(|rule| rule.who.is(peer) && rule.takes_away(permission)) {
            return Err(Denied::TakenAwayFrom(rule.who.clone()));
        }
        let granted = || self.allow.iter().any(|rule| rule.who.is(peer) && rule.grants(permission));
        let is_open = access(word(permission)) == Some(Access::Open);
        if is_open || granted() { Ok(()) } else { Err(Denied::NotGranted) }
    }
}

impl Rule {
    fn grants(&self, permission: &str) -> bool {
        self.what.iter().any(|what| matches!(what, What::Permission(granted) if granted == permission))
    }

    /// Taking a request away takes away all that it can do.
    fn takes_away(&self, permission: &str) -> bool {
        self.what.iter().any(|what| match what {
            What::Everything => true,
            What::Permission(taken) => taken == permission || taken == word(permission),
        })
    }
}

/// The request that a permission is about.
fn word(permission: &str) -> &str {
    permission.split_once(':').map_or(permission, |(word, _)| word)
}

impl Who {
    fn is(&self, peer: &Peer) -> bool {
        match self {
            Who::Everyone => true,
            Who::Team(team) => peer.teams.contains(team),
            Who::Controller(name) => peer.identity.name == *name,
        }
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        let parsed = match (text, text.strip_prefix('@')) {
            ("*", _) => Ok(Who::Everyone),
            (_, Some(team)) => team.parse().map(Who::Team),
            (name, None) => name.parse().map(Who::Controller),
        };
        parsed.map_err(|fault| format!("{fault}; write a controller's name, @TEAM, or * for everyone"))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Cow<'_, str> = match self {
            Who::Everyone => "*".into(),
            Who::Team(team) => format!("@{team}").into(),
            Who::Controller(name) => name.as_str().into(),
        };
        f.write_str(&shown)
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<What, String> {
        match text.split_once(':') {
            _ if text == "*" => Ok(What::Everything),
            None if NAMES.contains(&text) => Ok(What::Permission(text.to_owned())),
            None => {
                let names = NAMES.join(", ");
                Err(format!("`{}` is no request; requests are {names}", text.escape_debug()))
            }
            Some((word, name)) => {
                let parts = [word, name].map(str::parse::<Name>);
                let [Ok(_), Ok(_)] = parts else {
                    let shown = text.escape_debug();
                    return Err(format!("`{shown}` is no permission; one is REQUEST or REQUEST:NAME"));
                };
                if !Sort::ALL.iter().any(|sort| sort.request() == word) {
                    return Err(format!(
                        "`{word}` is no request for things with names: those are check and run"
                    ));
                }
                Ok(What::Permission(text.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use certs::{Algorithm, Authority, Grant, Identity, Validity};
    use protocol::Kind;

    use super::*;

    fn peer(name: &str, teams: &[&str]) -> Arc<Peer> {
        let identity = Identity::controller(name.parse().unwrap());
        let teams: Vec<Name> = teams.iter().map(|team| team.parse().unwrap()).collect();
        let grant = Grant { identity: &identity, teams: &teams, addresses: &[], validity: Validity::days(1) };
        let authority = Authority::create(Algorithm::Ed25519).unwrap();
        Arc::new(authority.issue(Algorithm::Ed25519, &grant).unwrap().own().clone())
    }

    fn rules(lines: &[(&str, &[&str])]) -> Vec<Rule> {
        let what = |what: &[&str]| what.iter().map(|what| what.parse().unwrap()).collect();
        lines.iter().map(|(who, words)| Rule { who: who.parse().unwrap(), what: what(words) }).collect()
    }

    #[test]
    fn no_request_is_reachable_around_the_gate() {
        let closed = Permissions { deny: rules(&[("*", &["*"])]), ..Permissions::default() };
        let alice = peer("alice", &[]);
        for name in NAMES {
            // The words that any of them needs.
            let words = concat!(
                r#"{"permission":"info","every_seconds":1,"number":0,"name":"disk","request":"run","#,
                r#""names":[],"paths":[]}"#
            );
            let ask = Ask::decode(name, words, Bytes::new()).unwrap();
            let permission = ask.permission();
            let refusal = closed.admit(&alice, ask.clone()).unwrap_err();
            assert_eq!(refusal.kind, Kind::NotPermitted, "{name}");
            let open = Permissions::default().admit(&alice, ask).is_ok();
            assert_eq!(open, access(word(&permission)) == Some(Access::Open), "{name}");
        }
    }

    #[test]
    fn what_is_declared_is_granted_by_its_name_and_explained_to_whoever_may_start_it() {
        let permissions = Permissions {
            allow: rules(&[("alice", &["run:reboot"])]),
            deny: rules(&[("alice", &["check:disk"])]),
        };
        let alice = peer("alice", &[]);
        for (request, name, may) in [
            ("run", "reboot", true),
            ("run", "reboot2", false),
            ("check", "load", true),
            ("check", "disk", false),
        ] {
            let words = format!(r#"{{"name":"{name}","request":"{request}"}}"#);
            for asked in [request, "explain"] {
                let ask = Ask::decode(asked, &words, Bytes::new()).unwrap();
                assert_eq!(permissions.admit(&alice, ask).is_ok(), may, "{asked} {request} {name}");
            }
        }
    }

    #[test]
    fn what_changes_something_must_be_granted_and_deny_wins() {
        let permissions = Permissions {
            allow: rules(&[
                ("alice", &["run:restart-nginx"]),
                ("@ops", &["run:inbox", "run:reboot"]),
                ("*", &["run:hello"]),
            ]),
            deny: rules(&[("bob", &["info"]), ("@interns", &["*"]), ("carol", &["watch"])]),
        };
        let may =
            |name, teams: &[&str], permission| permissions.check(&peer(name, teams), permission).is_ok();
        assert!(may("alice", &[], "run:restart-nginx"));
        assert!(!may("bob", &[], "run:restart-nginx"));
        assert!(may("bob", &["ops"], "run:inbox"));
        assert!(may("bob", &[], "run:hello"));
        assert!(!may("bob", &["ops"], "info") && may("bob", &["ops"], "uptime"));
        assert!(!may("alice", &["interns"], "run:restart-nginx") && !may("dora", &["interns"], "echo"));
        assert!(
            may("dora", &[], "watch:x")
                && !may("carol", &["ops"], "watch:x")
                && may("carol", &["ops"], "run:inbox")
        );
    }

    #[test]
    fn names_are_compared_whole() {
        let permissions = Permissions {
            allow: rules(&[("alice", &["run:a"]), ("@ops", &["run:b"])]),
            ..Default::default()
        };
        let may =
            |name, teams: &[&str], permission| permissions.check(&peer(name, teams), permission).is_ok();
        for (name, permission) in
            [("alice2", "run:a"), ("alic", "run:a"), ("alice", "run:aa"), ("alice", "run:")]
        {
            assert!(!may(name, &[], permission), "{name} {permission}");
        }
        // A team is no controller, and a controller no team.
        assert!(!may("ops", &["alice"], "run:a") && !may("ops", &["alice"], "run:b"));
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        let permissions = Permissions { deny: rules(&[("@interns", &["info"])]), ..Permissions::default() };
        let alice = peer("alice", &["interns"]);
        let missing = permissions.check(&alice, "run:reboot").unwrap_err();
        assert_eq!(missing.message, "`run:reboot` is not granted to alice");
        assert!(missing.hint.contains("[allow]") && missing.hint.contains(r#""alice" = ["run:reboot"]"#));
        assert!(missing.hint.contains("there must be a [command.reboot]"), "{}", missing.hint);
        // What it says to write is what `agent.toml` takes.
        let hint = |permission| permissions.check(&alice, permission).unwrap_err().hint;
        assert!(hint("run").contains(r#""alice" = ["run:NAME"]"#), "{}", hint("run"));
        assert!(hint("inof").contains("no such request; requests are audit, "), "{}", hint("inof"));
        assert!(hint("inof:x").contains("no such request") && hint("audit").contains(r#"["audit"]"#));
        let taken = permissions.check(&alice, "info").unwrap_err();
        assert_eq!(taken.message, "`info` is taken away from alice");
        assert!(taken.hint.contains("[deny]") && taken.hint.contains("@interns"));
    }

    #[test]
    fn all_that_may_be_asked_is_told() {
        let permissions = Permissions {
            allow: rules(&[("alice", &["run:a", "info"]), ("bob", &["run:b"])]),
            deny: rules(&[("*", &["echo"])]),
        };
        let all = permissions.all_of(&peer("alice", &[]));
        assert!(all.contains(&"run:a".to_owned()) && all.contains(&"info".to_owned()));
        assert!(!all.contains(&"run:b".to_owned()) && !all.contains(&"echo".to_owned()));
        assert_eq!(all.iter().filter(|one| *one == "info").count(), 1);
    }

    #[test]
    fn a_rule_about_what_is_not_declared_is_named() {
        let permissions = Permissions {
            allow: rules(&[("alice", &["run:reboto", "info"])]),
            deny: rules(&[("@interns", &["*", "check:disk"])]),
        };
        assert_eq!(
            permissions.for_nothing(&Declarations::default()),
            [
                "allow.alice: it says `run:reboto`, and no command `reboto` is declared",
                "deny.@interns: it says `check:disk`, and no check `disk` is declared"
            ]
        );
    }

    #[test]
    fn slips_are_named() {
        for (text, said) in [("ops team", "a-z"), ("@", "1 to 63"), ("", "1 to 63")] {
            assert!(text.parse::<Who>().unwrap_err().contains(said), "{text}");
        }
        for (text, said) in [
            ("inf", "no request"),
            ("run:", "REQUEST:NAME"),
            ("run:a:b", "REQUEST:NAME"),
            ("rnu:b", "check and run"),
        ] {
            assert!(text.parse::<What>().unwrap_err().contains(said), "{text}");
        }
    }
}
