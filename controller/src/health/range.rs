//! The ranges of monitoring plugins: which values alert, written `[@]start:end`.
//!
//! A range names what is well, both ends included; with `@` in front it names what is not. The start is 0 where none is
//! written, and `~` is no start at all; without an end there is none.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::unit::{Factor, Unit};

/// Which values alert. It is written, and read again, without unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    start: f64,
    end: f64,
    alerts: Alerts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alerts {
    Outside,
    Inside,
}

/// What a number means that stands alone, where a check's values are bad on one side only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    /// `80` alerts above 80, as in the guidelines.
    AtMost,
    /// `10` is `10:`, and alerts below 10.
    AtLeast,
}

/// What is wrong with a range or a threshold, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How many bytes stand before it. All of them were understood, so each is a character.
    pub at: usize,
    /// What stands there.
    pub piece: String,
    /// What should.
    pub message: String,
}

impl Fault {
    pub(super) fn new(at: usize, piece: &str, message: impl Into<String>) -> Fault {
        Fault { at, piece: piece.to_owned(), message: message.into() }
    }

    /// The same fault in a text in which so many bytes stand before this one.
    pub(super) fn after(self, bytes: usize) -> Fault {
        Fault { at: self.at + bytes, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { at, piece, message } = self;
        let at = at + 1;
        if piece.is_empty() {
            write!(f, "at character {at}: {message}")
        } else {
            write!(f, "at character {at}, '{}': {message}", piece.escape_debug())
        }
    }
}

impl std::error::Error for Fault {}

impl Range {
    /// Whether this value is one to be told of.
    pub fn alerts(&self, value: f64) -> bool {
        let within = self.start <= value && value <= self.end;
        match self.alerts {
            Alerts::Outside => !within,
            Alerts::Inside => within,
        }
    }

    /// Whether all that is well by the other is well by this one too.
    pub(super) fn holds(&self, other: &Range) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Reads a range whose numbers may carry this unit.
    pub(super) fn read(text: &str, unit: Unit, bare: Bare) -> Result<Range, Fault> {
        let (alerts, body) = match text.strip_prefix('@') {
            Some(body) => (Alerts::Inside, body),
            None => (Alerts::Outside, text),
        };
        let begins = text.len() - body.len();
        let number =
            |piece: &str, at: usize| unit.read(piece).map_err(|message| Fault::new(at, piece, message));
        let Some((start, end)) = body.split_once(':') else {
            let value = number(body, begins)?;
            if unit == Unit::Percent && alerts == Alerts::Outside && value > 100.0 {
                return Err(Fault::new(begins, body, "no share is larger than 100%"));
            }
            return match (alerts, bare) {
                (Alerts::Outside, Bare::AtLeast) => Ok(Range { start: value, end: f64::INFINITY, alerts }),
                _ => Range::ordered(0.0, value, alerts, Fault::new(begins, body, "")),
            };
        };
        if start.is_empty() && end.is_empty() {
            return Err(Fault::new(begins, body, "a range has a start, an end, or both"));
        }
        let ends = begins + start.len() + 1;
        let from = match start {
            "" => 0.0,
            "~" => f64::NEG_INFINITY,
            _ => number(start, begins)?,
        };
        let to = if end.is_empty() { f64::INFINITY } else { number(end, ends)? };
        Range::ordered(from, to, alerts, Fault::new(ends, end, ""))
    }

    fn ordered(start: f64, end: f64, alerts: Alerts, place: Fault) -> Result<Range, Fault> {
        if start <= end {
            return Ok(Range { start, end, alerts });
        }
        let message = if start == 0.0 {
            "a range starts at 0 where it does not say otherwise, and ends after that; ~: in front means no start"
        } else {
            "a range ends where it starts or after that"
        };
        Err(Fault { message: message.to_owned(), ..place })
    }

    /// The same range of values in base units.
    pub(super) fn in_base(self, factor: Factor) -> Range {
        Range { start: factor.apply(self.start), end: factor.apply(self.end), ..self }
    }
}

impl FromStr for Range {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Range, Fault> {
        Range::read(text, Unit::Count, Bare::AtMost)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alerts == Alerts::Inside {
            f.write_str("@")?;
        }
        if self.start == f64::NEG_INFINITY {
            f.write_str("~:")?;
        } else if self.start != 0.0 || self.end == f64::INFINITY {
            write!(f, "{}:", self.start)?;
        }
        if self.end == f64::INFINITY { Ok(()) } else { write!(f, "{}", self.end) }
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The guidelines' own table and command lines: the range, values that are well, values that alert.
    const GUIDELINES: [(&str, &[f64], &[f64]); 10] = [
        ("10", &[0.0, 5.0, 10.0], &[-0.1, 10.1, f64::INFINITY]),
        ("10:", &[10.0, 1e300], &[9.9, -10.0]),
        ("~:10", &[-1e300, 10.0], &[10.1]),
        ("10:20", &[10.0, 15.0, 20.0], &[9.9, 20.1]),
        ("@10:20", &[9.9, 20.1], &[10.0, 15.0, 20.0]),
        ("20", &[0.0, 20.0], &[-1.0, 21.0]),
        ("~:20", &[-5.0, 20.0], &[21.0]),
        ("1:", &[1.0], &[0.0]),
        ("~:0", &[-1.0, 0.0], &[0.5]),
        ("5:6", &[5.0, 5.5, 6.0], &[4.0, 7.0]),
    ];

    #[test]
    fn the_guidelines_own_examples() {
        for (text, well, alert) in GUIDELINES {
            let range: Range = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
            well.iter().for_each(|value| assert!(!range.alerts(*value), "{value} is well by {text}"));
            alert.iter().for_each(|value| assert!(range.alerts(*value), "{value} alerts by {text}"));
        }
    }

    #[test]
    fn ways_to_write_the_same() {
        for (text, shown) in [
            ("0:10", "10"),
            (":10", "10"),
            ("@0:10", "@10"),
            ("+1.50:2", "1.5:2"),
            ("-5:-1", "-5:-1"),
            ("~:", "~:"),
            ("0:", "0:"),
        ] {
            assert_eq!(text.parse::<Range>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_bare_number_has_the_side_of_its_check_and_explicit_ranges_have_their_own() {
        for (text, shown) in
            [("21", "21:"), ("@21", "@21"), ("21:", "21:"), ("~:21", "~:21"), (":21", "21"), ("0:21", "21")]
        {
            assert_eq!(Range::read(text, Unit::Count, Bare::AtLeast).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_pointed_at() {
        for (text, shown) in [
            ("", "at character 1: a number is missing"),
            ("@", "at character 2: a number is missing"),
            (":", "at character 1, ':': a range has a start, an end, or both"),
            ("~", "at character 1, '~': this is no number, such as 10 or 0.5"),
            ("10:~", "at character 4, '~': this is no number, such as 10 or 0.5"),
            ("1:2:3", "at character 3, '2:3': this is no number, such as 10 or 0.5"),
            ("20:10", "at character 4, '10': a range ends where it starts or after that"),
            (
                "@-1",
                "at character 2, '-1': a range starts at 0 where it does not say otherwise, and ends after that; \
                 ~: in front means no start",
            ),
            ("10:x\n", "at character 4, 'x\\n': this is no number, such as 10 or 0.5"),
            ("inf", "at character 1, 'inf': this is no number, such as 10 or 0.5"),
            ("1e3", "at character 1, '1e3': this is no number, such as 10 or 0.5"),
            (" 1", "at character 1, ' 1': this is no number, such as 10 or 0.5"),
        ] {
            assert_eq!(text.parse::<Range>().unwrap_err().to_string(), shown, "{text:?}");
        }
        let endless = "9".repeat(400);
        assert!(endless.parse::<Range>().is_err(), "what is larger than any number is none");
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![-20i32..20, -2_000_000i32..2_000_000].prop_map(|thousandths| f64::from(thousandths) / 8.0)
    }

    proptest! {
        #[test]
        fn it_alerts_as_the_words_say(
            inside: bool, start in prop::option::of(number()), end in prop::option::of(number()), value in number(),
        ) {
            let at = if inside { "@" } else { "" };
            let (from, to) = (
                start.map_or("~".to_owned(), |start| start.to_string()),
                end.map_or(String::new(), |end| end.to_string()),
            );
            let read = format!("{at}{from}:{to}").parse::<Range>();
            if let (Some(start), Some(end)) = (start, end) && start > end {
                prop_assert!(read.is_err());
                return Ok(());
            }
            let below = start.is_some_and(|start| value < start);
            let above = end.is_some_and(|end| value > end);
            prop_assert_eq!(read.unwrap().alerts(value), (below || above) != inside);
        }

        #[test]
        fn what_is_written_is_read_again(text in "@?(~|-?[0-9]{1,4}(\\.[0-9]{1,3})?)?:?-?[0-9]{0,6}(\\.[0-9]{1,9})?") {
            if let Ok(range) = text.parse::<Range>() {
                prop_assert_eq!(range.to_string().parse::<Range>(), Ok(range));
            }
        }

        #[test]
        fn nothing_that_is_typed_is_too_much(text in ".{0,40}") {
            if let Err(fault) = text.parse::<Range>() {
                prop_assert_eq!(fault.to_string().lines().count(), 1);
                prop_assert!(text[fault.at..].starts_with(&fault.piece));
            }
        }
    }
}
