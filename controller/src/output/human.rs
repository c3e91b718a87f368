//! Numbers as people read them, and text that cannot play tricks on a terminal.

use std::borrow::Cow;
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Whether a terminal might obey this character, or show something else than what is there.
pub fn is_dangerous(character: char) -> bool {
    // Most are of these, and known at once.
    if matches!(character, ' '..='~') {
        return false;
    }
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{180e}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The longest piece of a host's text that is shown for eyes.
const MAX_SHOWN: usize = 300;

/// Text from a host, made harmless: each dangerous character becomes a visible one, and far too much is cut.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_SHOWN && !text.contains(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().take(MAX_SHOWN).map(|c| if is_dangerous(c) { '\u{fffd}' } else { c });
    let mut shown: String = shown.collect();
    if text.chars().count() > MAX_SHOWN {
        shown += "...";
    }
    Cow::Owned(shown)
}

/// Text of many lines from a host, made harmless and not cut.
pub fn harmless(text: &str) -> String {
    let is_of_text = |character| matches!(character, '\n' | '\t');
    text.chars().map(|c| if is_dangerous(c) && !is_of_text(c) { '\u{fffd}' } else { c }).collect()
}

/// Each line behind the name of the host that it comes from.
pub fn behind(host: &str, text: &str) -> String {
    text.lines().map(|line| format!("{}: {}\n", plain(host), harmless(line))).collect()
}

/// The beginning of a folded list, where it is longer than this.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let start = &text[..text.floor_char_boundary(most)];
    format!("{}...", start.rfind(',').map_or(start, |comma| &start[..comma]))
}

/// A size: `512 B`, `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// A count with its thousands apart: `9,993`.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A share of a whole, from 0 to 1; nothing of nothing is nothing.
pub fn ratio(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share is shown as a percentage")]
    let ratio = part as f64 / whole.max(1) as f64;
    ratio.clamp(0.0, 1.0)
}

/// A share as a bar of ten: `[###-------]  31 %`.
pub fn bar(share: f64) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the share is between 0 and 1"
    )]
    let full = (share * 10.0).round() as usize;
    format!("[{}{}] {:>3.0} %", "#".repeat(full), "-".repeat(10 - full), share * 100.0)
}

/// A time span in its two largest units: `14 d 3 h`, `5 min 2 s`, `340 ms`.
pub fn age(span: SignedDuration) -> String {
    let span = Duration::try_from(span.abs()).unwrap_or_default();
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 2 => format!("{} ms", span.as_millis()),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A time span as [`age`] shows it, from seconds that a host sent.
pub fn age_of_seconds(seconds: f64) -> String {
    age(SignedDuration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// A moment in the time of a place that is so far from UTC.
pub fn at_offset(moment: Timestamp, utc_offset_seconds: i32, format: &str) -> String {
    let offset = Offset::from_seconds(utc_offset_seconds).unwrap_or(Offset::UTC);
    moment.to_zoned(TimeZone::fixed(offset)).strftime(format).to_string()
}

/// Milliseconds with as many digits as mean something.
pub fn milliseconds(seconds: f64) -> String {
    let value = seconds * 1e3;
    match value.abs() {
        size if size < 10.0 => format!("{value:.3} ms"),
        size if size < 100.0 => format!("{value:.2} ms"),
        size if size < 10_000.0 => format!("{value:.1} ms"),
        _ => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_unit_at_the_edges() {
        for (count, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10 * 1024, "10 KiB"),
            (1023 * 1024, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        for (count, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count), shown);
        }
    }

    #[test]
    fn spans_show_their_two_largest_units() {
        for (seconds, shown) in [
            (0.34, "340 ms"),
            (59.0, "59 s"),
            (302.0, "5 min 2 s"),
            (10_860.0, "3 h 1 min"),
            (1e6, "11 d 13 h"),
        ] {
            assert_eq!(age_of_seconds(seconds), shown);
        }
        for nonsense in [f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(age_of_seconds(nonsense), "0 ms");
        }
    }

    #[test]
    fn bars_never_overflow() {
        assert_eq!(bar(0.31), "[###-------]  31 %");
        assert_eq!(bar(7.0), "[##########] 100 %");
        assert_eq!(bar(f64::NAN), "[----------]   0 %");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        let shown = plain("a\u{1b}[31m\u{9b}b\u{202e}c\nd");
        assert!(!shown.contains(is_dangerous));
        assert_eq!(shown, "a\u{fffd}[31m\u{fffd}b\u{fffd}c\u{fffd}d");
        assert!(plain(&"x".repeat(1_000_000)).len() < 400);
    }

    #[test]
    fn a_long_list_is_cut_where_a_name_ends() {
        assert_eq!(cut("web[1-3]", 40), "web[1-3]");
        let long: Vec<String> = (0..20).map(|number| format!("host{number}x")).collect();
        assert_eq!(cut(&long.join(","), 40), "host0x,host1x,host2x,host3x,host4x...");
    }
}
