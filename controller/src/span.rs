//! Spans of time as people type them.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// A time with its unit, such as `5s` or `500ms`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let friendly =
        || text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let duration = seconds.or_else(friendly).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| {
        "a time is a number with its unit, such as 5s, 500ms or 2m, and not nothing".to_owned()
    })
}

/// A time that may be days or weeks, such as `30d` or `12h`.
pub(crate) fn parse_days(text: &str) -> Result<SignedDuration, String> {
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let span = span.ok().filter(|span| !span.is_negative());
    span.ok_or_else(|| "a time is a number with its unit, such as 30d or 12h".to_owned())
}

/// How long a certificate is to hold: dates in it are whole seconds, and ten years are as long as its authority lives.
pub(crate) fn parse_life(text: &str) -> Result<SignedDuration, String> {
    let sane = SignedDuration::from_secs(1)..=SignedDuration::from_hours(3650 * 24);
    let life = parse_days(text)?;
    if sane.contains(&life) { Ok(life) } else { Err("a certificate holds for 1s to 3650d".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse_days("30d").unwrap(), SignedDuration::from_hours(30 * 24));
        assert_eq!(parse_days("2w 1h").unwrap(), SignedDuration::from_hours(14 * 24 + 1));
        for bad in ["", "30", "-1d", "1 month", "soon"] {
            assert!(parse_days(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_certificate_holds_for_a_sane_time() {
        assert_eq!(parse_life("60s").unwrap(), SignedDuration::from_secs(60));
        assert_eq!(parse_life("3650d").unwrap(), SignedDuration::from_hours(3650 * 24));
        for bad in ["0s", "999ms", "3651d", "90", "-1d"] {
            assert!(parse_life(bad).is_err(), "{bad:?} was taken");
        }
    }
}
