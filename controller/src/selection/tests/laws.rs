//! What holds for every text: opposites, the laws of sets, and that nothing brings the reader down.

use proptest::prelude::*;

use super::*;

/// Few enough that two selections often share some.
fn some() -> impl Strategy<Value = String> {
    proptest::collection::vec("n0?[0-9]|r[12]n[0-2]|n\\[(0[0-4]-0[5-9]|[0-4]-[5-9])\\]", 1..6)
        .prop_map(|words| words.join(","))
}

/// Names of every kind that a selection can give: rows, addresses, many digits, and irregular ones.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(web|r[1-3]n)(0{0,2}[0-9]|9[89]|10[0-2])",
        2 => "10\\.0\\.[0-2]\\.[0-9](:700[01])?",
        1 => "\\[(::|2001:db8::|fe80:)[0-9]\\](:[1-3])?|2001:db8::[0-9]",
        1 => "n0?9{17,19}|n10{17,19}",
        1 => "([0-9]\\.){6,9}[0-9]",
        2 => "[a-b0-2.:-]{1,8}",
    ]
}

proptest! {
    #[test]
    fn what_is_folded_selects_the_same(names in proptest::collection::btree_set(name(), 1..40)) {
        let folded = fold(names.iter().map(String::as_str));
        let again = select(&[&folded], &Fleet::new()).map_err(|fault| fault.to_string());
        prop_assert_eq!(again.map(BTreeSet::from_iter), Ok(names), "{}", folded);
    }

    /// Also what no selection can give does no harm.
    #[test]
    fn every_order_and_repetition_folds_alike(mut names in proptest::collection::vec(".{0,12}", 1..20)) {
        let folded = fold(names.iter().map(String::as_str));
        names.reverse();
        names.extend_from_within(..);
        prop_assert_eq!(fold(names.iter().map(String::as_str)), folded);
    }

    #[test]
    fn sets_obey_their_laws(a in some(), b in some()) {
        let known = Groups(|name: &str| Some(vec![if name == "a" { a.clone() } else { b.clone() }]));
        let set = |text: &str| -> BTreeSet<String> {
            Lookup::new(&known).evaluate(text).unwrap().in_order().into_iter().collect()
        };
        let (one, other) = (set("@a"), set("@b"));
        prop_assert_eq!(set("@a,@b"), &one | &other);
        prop_assert_eq!(set("@a&@b"), &one & &other);
        prop_assert_eq!(set("@a!@b"), &one - &other);
        prop_assert_eq!(set("@a^@b"), &one ^ &other);
        for (text, same) in [
            ("@a,@b", "@b,@a"),
            ("@a&@b", "@b&@a"),
            ("@a^@b", "@b^@a"),
            ("@a,@a", "@a"),
            ("@a&@a", "@a"),
            ("@a!@b!@b", "@a!@b"),
            ("@a^@b^@b", "@a"),
            ("@a!@b,@b", "@a,@b"),
            ("@a!@b&@b", "@a^@a"),
        ] {
            prop_assert_eq!(set(text), set(same), "{} and {}", text, same);
        }
    }

    #[test]
    fn no_text_crashes_the_reader(text in ".{0,40}|[a-b0-9\\[\\],!&^@*?:/ -]{0,40}") {
        if let Err(fault) = select(&[&text], &Fleet::new()) {
            prop_assert!(fault.at <= text.chars().count());
            prop_assert_eq!(fault.to_string().lines().count(), 1);
        }
        let _ = Where::parse(&text, &Fleet::new());
    }
}
