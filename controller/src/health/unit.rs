//! What is counted, and in which unit: base units inside, whatever people write outside.

use serde::Serialize;

use Factor::{Over, Times};

/// What a value is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Things, or a plain number.
    Count,
    /// A share of a whole, in percent.
    Percent,
    /// Time.
    Seconds,
    /// Sizes.
    Bytes,
    /// Something that only grows.
    Counter,
}

/// How many base units one of another is. Parts are divided by a whole number, which is exact where a product is not.
#[derive(Debug, Clone, Copy)]
pub(super) enum Factor {
    Times(f64),
    Over(f64),
}

impl Factor {
    pub(super) fn apply(self, value: f64) -> f64 {
        match self {
            Factor::Times(factor) => value * factor,
            Factor::Over(divisor) => value / divisor,
        }
    }
}

/// How people write times.
const TIMES: [(&str, Factor); 7] = [
    ("us", Over(1e6)),
    ("ms", Over(1e3)),
    ("s", Times(1.0)),
    ("m", Times(60.0)),
    ("h", Times(3600.0)),
    ("d", Times(86_400.0)),
    ("w", Times(604_800.0)),
];

/// How performance data is written.
const PERFORMANCE: [(&str, Unit, Factor); 12] = [
    ("", Unit::Count, Times(1.0)),
    ("%", Unit::Percent, Times(1.0)),
    ("s", Unit::Seconds, Times(1.0)),
    ("ms", Unit::Seconds, Over(1e3)),
    ("us", Unit::Seconds, Over(1e6)),
    ("ns", Unit::Seconds, Over(1e9)),
    ("B", Unit::Bytes, Times(1.0)),
    ("KB", Unit::Bytes, Times(1e3)),
    ("MB", Unit::Bytes, Times(1e6)),
    ("GB", Unit::Bytes, Times(1e9)),
    ("TB", Unit::Bytes, Times(1e12)),
    ("c", Unit::Counter, Times(1.0)),
];

impl Unit {
    /// Reads a number as people write it in a threshold.
    pub(super) fn read(self, text: &str) -> Result<f64, String> {
        if text.is_empty() {
            return Err("a number is missing".to_owned());
        }
        let (number, unit) = split(text);
        let wrong = || match self {
            Unit::Percent => "this is no share, such as 80% or 80".to_owned(),
            Unit::Seconds => {
                "this is no time, a number with us, ms, s, m, h, d or w behind it, such as 500ms or 21d"
                    .to_owned()
            }
            Unit::Count | Unit::Bytes | Unit::Counter => "this is no number, such as 10 or 0.5".to_owned(),
        };
        let factor = match self {
            Unit::Percent => matches!(unit, "" | "%").then_some(Times(1.0)),
            // Days or seconds is no guess to make; none of either is the same.
            Unit::Seconds if unit.is_empty() => (number == "0").then_some(Times(1.0)),
            Unit::Seconds => TIMES.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor),
            Unit::Count | Unit::Bytes | Unit::Counter => unit.is_empty().then_some(Times(1.0)),
        };
        let value = number.parse().ok().zip(factor).map(|(number, factor)| factor.apply(number));
        value.filter(|value| value.is_finite()).ok_or_else(wrong)
    }

    /// The unit of a piece of performance data, and how many of it one is. What no guideline knows is a plain number.
    pub(super) fn of_performance(written: &str) -> (Unit, Factor) {
        let known = PERFORMANCE.iter().find(|(name, ..)| *name == written);
        known.map_or((Unit::Count, Times(1.0)), |(_, unit, factor)| (*unit, *factor))
    }

    /// As performance data is written.
    pub(super) fn in_performance(self) -> &'static str {
        match self {
            Unit::Count => "",
            Unit::Percent => "%",
            Unit::Seconds => "s",
            Unit::Bytes => "B",
            Unit::Counter => "c",
        }
    }
}

/// A number, and what stands behind it.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+')).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_the_unit_of_their_check() {
        for (unit, text, value) in [
            (Unit::Percent, "80%", 80.0),
            (Unit::Percent, "80", 80.0),
            (Unit::Seconds, "500ms", 0.5),
            (Unit::Seconds, "250us", 0.00025),
            (Unit::Seconds, "2s", 2.0),
            (Unit::Seconds, "5m", 300.0),
            (Unit::Seconds, "1.5h", 5400.0),
            (Unit::Seconds, "21d", 1_814_400.0),
            (Unit::Seconds, "2w", 1_209_600.0),
            (Unit::Seconds, "0", 0.0),
            (Unit::Count, "-0.5", -0.5),
        ] {
            assert_eq!(unit.read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_might_mean_two_things_means_none() {
        for (unit, text) in [
            (Unit::Seconds, "21"),
            (Unit::Seconds, "5 m"),
            (Unit::Seconds, "5M"),
            (Unit::Percent, "80s"),
            (Unit::Percent, "80%%"),
            (Unit::Percent, "%"),
            (Unit::Count, "80%"),
            (Unit::Count, "1-2"),
            (Unit::Count, "1,5"),
        ] {
            assert!(unit.read(text).unwrap_err().starts_with("this is no"), "{text}");
        }
    }
}
