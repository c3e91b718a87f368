//! Who of the fleet is out of order, and how.

use bench::{Error, street};

/// How a machine behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Answers.
    Well,
    /// Nobody is there: who connects waits.
    Dead,
    /// Accepts, and never says a word.
    Silent,
    /// Answers, and takes its time before it shakes hands.
    Slow,
    /// Answers, and each trip to it takes long.
    Far,
    /// Has a certificate of another authority.
    Wrong,
    /// Breaks off in the middle of the handshake.
    Resets,
}

/// How each machine behaves. Faults are scattered, as in life: a step that shares no factor with the count visits everybody once.
pub(crate) fn of_each(count: usize, faults: &[String]) -> Result<Vec<Conduct>, Error> {
    if count == 0 || count > street::LONGEST {
        return Err(format!("a fleet has 1 to {} machines", street::LONGEST).into());
    }
    let mut bad = Vec::new();
    for fault in faults {
        let (name, many) = fault.split_once('=').ok_or("a fault is written NAME=COUNT")?;
        bad.extend(std::iter::repeat_n(named(name)?, many.parse()?));
    }
    if bad.len() > count {
        return Err("there are more faults than machines".into());
    }
    let step = step(count);
    Ok((0..count).map(|number| bad.get(number * step % count).copied().unwrap_or(Conduct::Well)).collect())
}

fn named(name: &str) -> Result<Conduct, Error> {
    Ok(match name {
        "dead" => Conduct::Dead,
        "silent" => Conduct::Silent,
        "slow" => Conduct::Slow,
        "far" => Conduct::Far,
        "wrong" => Conduct::Wrong,
        "resets" => Conduct::Resets,
        _ => return Err(format!("a fault is dead, silent, slow, far, wrong or resets, not `{name}`").into()),
    })
}

/// Near the golden section, which scatters evenly.
fn step(count: usize) -> usize {
    let has_no_factor_of = |step: &usize| {
        let (mut one, mut other) = (*step, count);
        while other > 0 {
            (one, other) = (other, one % other);
        }
        one == 1
    };
    (count * 618 / 1000 + 1..).find(has_no_factor_of).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_were_ordered_and_not_side_by_side() {
        let faults = ["dead=500".to_owned(), "silent=200".to_owned(), "wrong=100".to_owned()];
        let all = of_each(10_000, &faults).unwrap();
        let count = |wanted: Conduct| all.iter().filter(|conduct| **conduct == wanted).count();
        assert_eq!((count(Conduct::Dead), count(Conduct::Silent), count(Conduct::Wrong)), (500, 200, 100));
        assert_eq!((all.len(), count(Conduct::Well)), (10_000, 9_200));
        let bad = |part: &[Conduct]| part.iter().filter(|conduct| **conduct != Conduct::Well).count();
        assert!(all.chunks(1000).all(|part| (60..100).contains(&bad(part))), "not scattered");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (count, fault) in [(0, "dead=0"), (5, "dead=6"), (5, "tired=1"), (5, "dead")] {
            assert!(of_each(count, &[fault.to_owned()]).is_err());
        }
    }
}
