//! What is said of texts that are no selections, word by word.

use super::*;

fn check(cases: &[(&str, &str)]) {
    for (text, fault) in cases {
        assert_eq!(selected(text), Err(fault.to_string()), "{text:?}");
    }
}

#[test]
fn in_brackets() {
    let unclosed = "this bracket is not closed, a `]` is missing";
    let nested = "another bracket begins before this one is closed, and no range stands within one";
    check(&[
        ("web[1-", &format!("`web[1-`, at character 4: {unclosed}")),
        ("web[1-3 db1]", &format!("`web[1-3 db1]`, at character 4: {unclosed}")),
        ("web[1[2]]", &format!("`web[1[2]]`, at character 4: {nested}")),
        ("[2001:db8::[1-2]]:70", &format!("`[2001:db8::[1-2]]:70`, at character 1: {nested}")),
        ("[2001:db8::1", &format!("`[2001:db8::1`, at character 1: {unclosed}")),
        ("web1]", "`web1]`, at character 5: this `]` closes nothing, a `[` is missing"),
        ("web[9-1]", "`web[9-1]`, at character 5: a range goes up, and 9 is more than 1"),
        ("web[1,9-1]", "`web[1,9-1]`, at character 7: a range goes up, and 9 is more than 1"),
        ("web[]", "`web[]`, at character 5: a number is missing here"),
        ("web[1-]", "`web[1-]`, at character 7: a number is missing here"),
        ("web[-1]", "`web[-1]`, at character 5: a number is missing here"),
        ("web[1,,2]", "`web[1,,2]`, at character 7: a number is missing here"),
        ("web[1-2/]", "`web[1-2/]`, at character 9: a number is missing here"),
        ("web[a-b]", "`web[a-b]`, at character 5: this must be a number, and has a `a`"),
        ("a[fe80::1]", "`a[fe80::1]`, at character 3: this must be a number, and has a `f`"),
        ("web[1-2-3]", "`web[1-2-3]`, at character 7: this must be a number, and has a `-`"),
        ("web[1-3/0]", "`web[1-3/0]`, at character 9: a step is at least 1"),
        ("web[5/2]", "`web[5/2]`, at character 7: a step needs a range before it, as in [0-10/5]"),
        (
            "n[1234567890123456789]",
            "`n[1234567890123456789]`, at character 3: a number has at most 18 digits",
        ),
    ]);
}

/// `01-100` could mean 001 to 100, or 01 to 99 and 100. Nobody guesses which machines that reboots.
#[test]
fn where_zeros_are_unclear() {
    for range in ["01-100", "001-20", "1-010", "00-100", "0-01"] {
        let (from, to) = range.split_once('-').unwrap();
        let why = "must have as many digits, for one has a leading zero";
        check(&[(&format!("n[{range}]"), &format!("`n[{range}]`, at character 3: {from} and {to} {why}"))]);
    }
}

#[test]
fn where_a_side_is_missing() {
    let between = |operator| format!("a host is missing before `{operator}`, which stands between two sides");
    check(&[
        ("web1,,web2", &format!("`web1,,web2`, at character 6: {}", between(','))),
        ("!web", &format!("`!web`, at character 1: {}", between('!'))),
        ("web & ^db", &format!("`web & ^db`, at character 7: {}", between('^'))),
        ("web1,", "`web1,`, at character 6: a host is missing at the end"),
        ("web1 ! ", "`web1 ! `, at character 8: a host is missing at the end"),
        ("", "no host is named"),
        (" ", "` `, at character 2: no host is named"),
        ("web1&db1", "`web1&db1`, at character 1: this selects nobody"),
        ("@quiet", "`@quiet`, at character 1: this selects nobody"),
    ]);
}

#[test]
fn too_many() {
    let most = "and at most 1000000 can be selected at once";
    let cases = [
        ("[1-99999999]".to_owned(), format!("2: up to here this is 99999999 hosts, {most}")),
        ("a[1-1000]b[1-1001]".to_owned(), format!("12: up to here this is 1001000 hosts, {most}")),
        ("a,b[1-1000000]".to_owned(), format!("3: up to here this is 1000001 hosts, {most}")),
        (
            "[0-999999999999999999]".repeat(3),
            format!("2: up to here this is 1000000000000000000 hosts, {most}"),
        ),
    ];
    for (text, fault) in cases {
        let found = selected(&text).unwrap_err();
        assert!(found.ends_with(&format!(", at character {fault}")), "{found}");
    }
    let globs = vec!["*"; 1001].join(",");
    assert!(selected(&globs).unwrap_err().ends_with("a selection has at most 1000 words with `*` or `?`"));
    let long = format!("a {}", "[1]".repeat(260));
    assert!(selected(&long).unwrap_err().ends_with(", at character 3: a name has at most 259 characters"));
    assert_eq!(selected(&"[1]".repeat(259)), Ok(vec!["1".repeat(259)]));
    assert_eq!(selected(&format!("{}[08-11]", "a".repeat(257))).map(|names| names.len()), Ok(4));
    assert!(selected(&format!("{}[8-10]", "a".repeat(258))).is_err());
}

#[test]
fn what_is_not_known() {
    check(&[
        ("@wbe", "`@wbe`, at character 1: there is no such group, did you mean `@web`?"),
        ("web-1,@last", "`web-1,@last`, at character 7: there is no such group, did you mean `@last:ok`?"),
        (
            "@zzz",
            "`@zzz`, at character 1: there is no such group, known are \
             @all-but-mail, @db, @quiet, @rack1, @slip, @snake, @tail, @web, @*, @last:failed and more",
        ),
        ("wbe-*", "`wbe-*`, at character 1: no host that is known by name fits this, write the name in full"),
        ("@slip", "`web[9-1]`, at character 5: a range goes up, and 9 is more than 1 (in group @slip)"),
        (
            "@snake",
            "`@snake`, at character 1: group @snake is a part of itself (in group @tail) (in group @snake)",
        ),
    ]);
    let new = Fleet { failed: None, ..Fleet::new() };
    let fault = select(&["@last:ok"], &new).unwrap_err().to_string();
    assert_eq!(fault, "`@last:ok`, at character 1: there was no run before, name hosts instead");
}

#[test]
fn what_cannot_be_a_name() {
    let ascii = "is not ASCII, even where it looks so; an international name is written in its xn-- form";
    check(&[
        ("db w\u{430}b1", &format!("`db w\\u{{430}}b1`, at character 5: U+0430 {ascii}")),
        ("web\u{202e}1", &format!("`web\\u{{202e}}1`, at character 4: U+202E {ascii}")),
        ("we\0b", "`we\\u{0}b`, at character 3: U+0000 is a control character, and no name has one"),
        ("\x1b[31m", "`\\u{1b}[31m`, at character 1: U+001B is a control character, and no name has one"),
    ]);
}

#[test]
fn of_a_long_text_the_place_is_shown() {
    let text = format!("{},web[9-1],{}", "a".repeat(50), "b".repeat(50));
    let shown = format!("…{},web[9-1],{}…", "a".repeat(25), "b".repeat(25));
    let expected = format!("`{shown}`, at character 56: a range goes up, and 9 is more than 1");
    assert_eq!(selected(&text), Err(expected));
}

/// Each group is twice in the one above, so the lowest one would be looked up a billion times.
#[test]
fn groups_within_groups_have_an_end() {
    let fault = |height| {
        let floor = |name: &str| {
            let floor: usize = name.parse().ok()?;
            Some(if floor == height { vec![] } else { vec![format!("@{0},@{0}", floor + 1)] })
        };
        select(&["@0"], &Groups(floor)).unwrap_err()
    };
    assert_eq!(fault(3).what, "this selects nobody");
    assert!(fault(30).what.starts_with("up to here this is 1000001 hosts"));
    assert!(fault(40).what.starts_with("more than 32 groups lie within each other here"));
}

#[test]
fn of_labels() {
    let form = "a condition is KEY=VALUE or KEY!=VALUE";
    for (text, fault) in [
        ("rloe=web", "`rloe=web`, at character 1: no host has such a label, did you mean `role`?"),
        (
            "role=web,x=y",
            "`role=web,x=y`, at character 10: no host has such a label, known are for, role, zone",
        ),
        ("role=\u{e9},role", &format!("`role=\\u{{e9}},role`, at character 8: {form}")),
        ("role", &format!("`role`, at character 1: {form}")),
        ("role==web", &format!("`role==web`, at character 1: {form}")),
        ("role=", &format!("`role=`, at character 1: {form}")),
        ("role=\"web,zone=a", "`role=\\\"web,zone=a`, at character 1: a `\"` is missing at the end"),
        ("=web", &format!("`=web`, at character 1: {form}")),
        ("", form),
    ] {
        assert_eq!(Where::parse(text, &Fleet::new()).unwrap_err().to_string(), fault);
    }
}
