//! When to warn, and when to call it critical: `WARN,CRIT`, either of which may be left out.

use protocol::requests::check::State;

use super::range::{Bare, Fault, Range};
use super::unit::Unit;

/// What of a value is worth a warning, and what is critical.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Threshold {
    /// Worth a warning.
    pub warning: Option<Range>,
    /// Critical.
    pub critical: Option<Range>,
}

/// How a check's thresholds are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// What the check's value is a number of.
    pub unit: Unit,
    /// What a number alone means.
    pub bare: Bare,
    /// Where nobody says otherwise; empty where there is none.
    pub standard: &'static str,
}

impl Scale {
    /// Reads `WARN,CRIT`.
    pub fn read(&self, text: &str) -> Result<Threshold, Fault> {
        let (warning, critical) = text.split_once(',').unwrap_or((text, ""));
        if warning.is_empty() && critical.is_empty() {
            return Err(Fault::new(0, text, "WARN, ,CRIT or WARN,CRIT is missing"));
        }
        let range = |text: &str, at: usize| match text {
            "" => Ok(None),
            text => Range::read(text, self.unit, self.bare).map(Some).map_err(|fault| fault.after(at)),
        };
        let warning_range = range(warning, 0)?;
        if let Some(third) = critical.find(',') {
            let at = warning.len() + 1 + third;
            return Err(Fault::new(at, &text[at..], "there are two thresholds, WARN,CRIT, and no third"));
        }
        let at = warning.len() + 1;
        let critical_range = range(critical, at)?;
        let is_bare = |text: &str| !text.contains([':', '@', '~']);
        if let (Some(warned), Some(called)) = (warning_range, critical_range)
            && is_bare(warning)
            && is_bare(critical)
            && !called.holds(&warned)
        {
            let message = "this would be critical before it is a warning; WARN stands first, CRIT second";
            return Err(Fault::new(at, critical, message));
        }
        Ok(Threshold { warning: warning_range, critical: critical_range })
    }

    /// Where nobody says otherwise. A test reads those of all checks.
    pub fn standard(&self) -> Threshold {
        self.read(self.standard).unwrap_or_default()
    }
}

impl Threshold {
    /// What a value means. What is no number means nothing.
    pub fn judge(&self, value: f64) -> State {
        let alerts = |range: &Option<Range>| range.is_some_and(|range| range.alerts(value));
        if !value.is_finite() {
            State::Unknown
        } else if alerts(&self.critical) {
            State::Critical
        } else if alerts(&self.warning) {
            State::Warning
        } else {
            State::Ok
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHARE: Scale = Scale { unit: Unit::Percent, bare: Bare::AtMost, standard: "80%,90%" };
    const LEFT: Scale = Scale { unit: Unit::Seconds, bare: Bare::AtLeast, standard: "21d,7d" };

    #[test]
    fn either_may_be_left_out() {
        for (text, states) in [
            ("80%,90%", [State::Ok, State::Warning, State::Critical]),
            ("80%", [State::Ok, State::Warning, State::Warning]),
            ("80%,", [State::Ok, State::Warning, State::Warning]),
            (",90%", [State::Ok, State::Ok, State::Critical]),
            ("~:80,~:90", [State::Ok, State::Warning, State::Critical]),
            ("85:200,0:90", [State::Warning, State::Ok, State::Critical]),
            ("@85:100", [State::Ok, State::Warning, State::Warning]),
        ] {
            let threshold = SHARE.read(text).unwrap();
            assert_eq!([80.0, 85.0, 95.0].map(|value| threshold.judge(value)), states, "{text}");
        }
    }

    #[test]
    fn a_number_alone_is_on_the_side_of_its_check() {
        let days = |days: f64| LEFT.standard().judge(days * 86_400.0);
        assert_eq!([30.0, 21.0, 20.0, 7.0, 6.0, -1.0].map(days), {
            use State::{Critical, Ok, Warning};
            [Ok, Ok, Warning, Warning, Critical, Critical]
        });
    }

    #[test]
    fn what_is_no_threshold_is_pointed_at() {
        for (scale, text, shown) in [
            (SHARE, "", "at character 1: WARN, ,CRIT or WARN,CRIT is missing"),
            (SHARE, ",", "at character 1, ',': WARN, ,CRIT or WARN,CRIT is missing"),
            (SHARE, "80%,9O%", "at character 5, '9O%': this is no share, such as 80% or 80"),
            (SHARE, "80%,90:8%", "at character 8, '8%': a range ends where it starts or after that"),
            (
                SHARE,
                "90%,80%",
                "at character 5, '80%': this would be critical before it is a warning; WARN stands first, CRIT second",
            ),
            (
                LEFT,
                "10m,1d",
                "at character 5, '1d': this would be critical before it is a warning; WARN stands first, CRIT second",
            ),
            (SHARE, "80%,101", "at character 5, '101': no share is larger than 100%"),
            (SHARE, "1,2,3", "at character 4, ',3': there are two thresholds, WARN,CRIT, and no third"),
            (
                LEFT,
                "21d,7",
                "at character 5, '7': this is no time, a number with us, ms, s, m, h, d or w behind it, \
                 such as 500ms or 21d",
            ),
        ] {
            assert_eq!(scale.read(text).unwrap_err().to_string(), shown, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        assert_eq!(SHARE.standard().judge(f64::NAN), State::Unknown);
        assert_eq!(Threshold::default().judge(f64::INFINITY), State::Unknown);
    }

    proptest! {
        #[test]
        fn a_fault_is_where_it_says(text in "[0-9a-z%:~@,. é]{0,12}") {
            if let Err(fault) = SHARE.read(&text) {
                prop_assert!(text[fault.at..].starts_with(&fault.piece), "{text:?} {fault:?}");
            }
        }
    }
}
