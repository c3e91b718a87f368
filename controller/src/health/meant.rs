//! What is said of a name that nobody knows.

use crate::meant::nearest;

/// Says what is wrong with a name, and which it should be.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let meant = nearest(name, known.iter().copied());
    let name = name.escape_debug();
    match meant {
        Some(meant) => format!("there is no {what} '{name}'; did you mean '{meant}'?"),
        None if known.is_empty() => format!("there is no {what} '{name}', and no other"),
        None => format!("there is no {what} '{name}'; there are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_or_what_there_is() {
        for (name, known, said) in [
            ("dsik", &["disk", "load"][..], "there is no check 'dsik'; did you mean 'disk'?"),
            ("x\n", &["disk", "load"], "there is no check 'x\\n'; there are disk, load"),
            ("disk", &[], "there is no check 'disk', and no other"),
        ] {
            assert_eq!(unknown("check", name, known.iter().copied()), said);
        }
    }
}
