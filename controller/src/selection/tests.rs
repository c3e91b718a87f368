//! What selections mean, by example.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

mod faults;
mod folding;
mod laws;

/// A fleet of six, and groups as people write them.
struct Fleet {
    names: Vec<&'static str>,
    groups: BTreeMap<&'static str, Vec<&'static str>>,
    failed: Option<Vec<&'static str>>,
    labels: BTreeMap<(&'static str, &'static str), &'static str>,
}

impl Fleet {
    fn new() -> Fleet {
        Fleet {
            names: vec!["web-1", "web-2", "web-10", "db-1", "db-2", "mail"],
            groups: BTreeMap::from([
                ("web", vec!["web-[1-2]", "web-10"]),
                ("db", vec!["db-1", "db-2"]),
                ("rack1", vec!["@db,mail"]),
                ("quiet", vec![]),
                ("all-but-mail", vec!["@*!mail"]),
                ("snake", vec!["web-1,@tail"]),
                ("tail", vec!["@snake"]),
                ("slip", vec!["web[9-1]"]),
            ]),
            failed: Some(vec!["db-1", "mail"]),
            labels: BTreeMap::from([
                (("web-1", "role"), "web"),
                (("web-1", "zone"), "a"),
                (("web-2", "role"), "web"),
                (("web-2", "zone"), "b"),
                (("db-1", "role"), "db"),
                (("db-1", "for"), "us, mail"),
            ]),
        }
    }
}

fn owned<'a>(names: impl IntoIterator<Item = &'a &'static str>) -> Vec<String> {
    names.into_iter().map(ToString::to_string).collect()
}

impl Known for Fleet {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().copied()
    }

    fn group(&self, name: &str) -> Option<Vec<String>> {
        self.groups.get(name).map(owned)
    }

    fn groups(&self) -> Vec<String> {
        owned(self.groups.keys())
    }

    fn last(&self, outcome: Last) -> Option<Vec<String>> {
        let failed = self.failed.as_ref()?;
        Some(owned(self.names.iter().filter(|name| failed.contains(name) == (outcome == Last::Failed))))
    }

    fn label(&self, host: &str, key: &str) -> Option<Cow<'_, str>> {
        self.labels
            .iter()
            .find(|((of, named), _)| (*of, *named) == (host, key))
            .map(|(_, value)| Cow::Borrowed(*value))
    }

    fn label_keys(&self) -> Vec<String> {
        owned(&BTreeSet::from_iter(self.labels.keys().map(|(_, key)| *key)))
    }

    fn meaning(&self, name: &str) -> Option<String> {
        name.strip_suffix(":5669").map(str::to_owned)
    }
}

/// Nothing but groups, told by a function.
struct Groups<F>(F);

impl<F: Fn(&str) -> Option<Vec<String>>> Known for Groups<F> {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    fn group(&self, name: &str) -> Option<Vec<String>> {
        self.0(name)
    }

    fn groups(&self) -> Vec<String> {
        Vec::new()
    }

    fn last(&self, _: Last) -> Option<Vec<String>> {
        None
    }

    fn label(&self, _: &str, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn label_keys(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What one text selects, or what is wrong with it.
fn selected(text: &str) -> Result<Vec<String>, String> {
    select(&[text], &Fleet::new()).map_err(|fault| fault.to_string())
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let expected = expected.split(' ').map(str::to_owned).collect();
        assert_eq!(selected(text), Ok(expected), "{text}");
    }
}

#[test]
fn ranges() {
    check(&[
        ("web1", "web1"),
        ("web[1-3]", "web1 web2 web3"),
        ("web[01-03]", "web01 web02 web03"),
        ("web[5]", "web5"),
        ("web[1,3,7-9]", "web1 web3 web7 web8 web9"),
        ("n[0-10/5]", "n0 n5 n10"),
        ("n[08-11/2]", "n08 n10"),
        ("n[099-100]", "n099 n100"),
        ("n[99-100]", "n99 n100"),
        ("n[00-01]", "n00 n01"),
        ("n[0-0]", "n0"),
        ("n[1,01,001]", "n1 n01 n001"),
        ("n[1,3,3]", "n1 n3"),
        ("[1-3]", "1 2 3"),
        ("r[1-2]n[3-4]", "r1n3 r1n4 r2n3 r2n4"),
        ("a[1-2][3-4]b", "a13b a14b a23b a24b"),
        ("n[999999999999999998-999999999999999999]", "n999999999999999998 n999999999999999999"),
    ]);
}

#[test]
fn addresses_and_ports() {
    check(&[
        ("127.0.0.[1-3]", "127.0.0.1 127.0.0.2 127.0.0.3"),
        ("web[1-2]:7000", "web1:7000 web2:7000"),
        ("localhost:[7000-7001]", "localhost:7000 localhost:7001"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:5669,web1", "[2001:db8::1]:5669 web1"),
        ("[::1]:[1-2]", "[::1]:1 [::1]:2"),
        ("[::ffff:192.0.2.1]:5669", "[::ffff:192.0.2.1]:5669"),
    ]);
}

#[test]
fn operators_go_from_left_to_right() {
    check(&[
        ("a,b", "a b"),
        ("b a", "b a"),
        ("a\n\tb\r\n", "a b"),
        ("a , b", "a b"),
        ("b,a,b", "b a"),
        ("n[1-4]!n2", "n1 n3 n4"),
        ("n[1-4] ! n[2-3]", "n1 n4"),
        ("n[1-4]&n[3-6]", "n3 n4"),
        ("n[3-6]&n[4,3]", "n3 n4"),
        ("n[1-4]^n[3-6]", "n1 n2 n5 n6"),
        ("a^b^[1,1]", "a b 1"),
        ("a b!b", "a"),
        ("a!b&a", "a"),
        ("a!a,b", "b"),
        ("a&b,c", "c"),
        ("a,b!b^c", "a c"),
        ("a,b[1-2]!b1,c", "a b2 c"),
        ("a!a,b,a", "b a"),
    ]);
}

#[test]
fn what_is_looked_up() {
    check(&[
        ("@web", "web-1 web-2 web-10"),
        ("@rack1", "db-1 db-2 mail"),
        ("@rack[1-1]", "db-1 db-2 mail"),
        ("@*", "web-1 web-2 web-10 db-1 db-2 mail"),
        ("@all-but-mail", "web-1 web-2 web-10 db-1 db-2"),
        ("@*!@web", "db-1 db-2 mail"),
        ("@quiet,a", "a"),
        ("@last:failed", "db-1 mail"),
        ("@last:ok&@db", "db-2"),
        ("web-*", "web-1 web-2 web-10"),
        ("web-?", "web-1 web-2"),
        ("*-1", "web-1 db-1"),
        ("*", "web-1 web-2 web-10 db-1 db-2 mail"),
        ("*a*i*", "mail"),
        ("web-1*!*0", "web-1"),
        ("?b-[1-2]*", "db-1 db-2"),
        ("ma**il", "mail"),
    ]);
}

#[test]
fn several_texts_are_united_and_each_stands_alone() {
    let select = |texts: &[&str]| select(texts, &Fleet::new()).map_err(|fault| fault.to_string());
    assert_eq!(select(&["b", "a,b!a", "a"]), Ok(vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!(select(&["a", "b&c"]), Err("`b&c`, at character 1: this selects nobody".to_owned()));
    assert_eq!(select(&[]), Err("no host is named".to_owned()));
    let halves = ["a[1-600000]"; 2];
    let fault = select(&halves).unwrap_err();
    assert_eq!(
        fault,
        "`a[1-600000]`, at character 1: up to here this is 1200000 hosts, and at most 1000000 can be selected at once"
    );
}

#[test]
fn who_takes_nobody_out_is_remarked_upon() {
    for (text, remarks) in [
        ("web[1-9]!web99", &["web99"][..]),
        ("a,b ! b!b, c!d[1,2]", &["b", "d[1,2]"]),
        ("db-1,web-9!@web!@last:failed!db-2", &["@web", "db-2"]),
        ("@all-but-mail!mail", &["mail"]),
    ] {
        let found = select_and_remark(&[text], &Fleet::new()).unwrap();
        assert_eq!(found.1, remarks, "{text}");
    }
}

#[test]
fn a_file_has_a_selection_a_line() {
    let text = "# the web\nweb[1-2] web7\r\n\n  db1!db1,db2 # new\n#web9";
    assert_eq!(lines(text).collect::<Vec<_>>(), ["web[1-2] web7", "db1!db1,db2"]);
    assert_eq!(lines("# nobody\n").count(), 0);
}

#[test]
fn labels_keep_some() {
    let fleet = Fleet::new();
    for (text, expected) in [
        ("role=web", vec!["web-1", "web-2"]),
        ("role=web,zone!=b", vec!["web-1"]),
        ("role!=web", vec!["web-10", "db-1", "db-2", "mail"]),
        ("role=nothing", vec![]),
        ("role=\"db\",for=\"us, mail\"", vec!["db-1"]),
        ("for!=\"us, mail\",role=db", vec![]),
    ] {
        let condition = Where::parse(text, &fleet).unwrap();
        let kept: Vec<_> = fleet.names().filter(|name| condition.keep(name, &fleet)).collect();
        assert_eq!(kept, expected, "{text}");
    }
}
