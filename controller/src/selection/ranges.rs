//! What stands in brackets: `[01-20,25,30-90/10]`.

use super::MOST_NAMES;
use super::fault::Fault;
use super::reader::{Reader, ends_word};

/// Digits of a number. More are text, as in `web123456789012345678901`; and a `u64` holds these.
pub(super) const MOST_DIGITS: usize = 18;

/// Numbers from the first to the last, with leading zeros up to the width.
pub(super) struct Range {
    first: u64,
    last: u64,
    step: u64,
    width: usize,
}

impl Range {
    fn count(&self) -> u128 {
        u128::from((self.last - self.first) / self.step) + 1
    }

    fn letters(&self) -> usize {
        self.last.to_string().len().max(self.width)
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = String> {
        let numbers = (0..).map(|nth| self.first + nth * self.step).take_while(|number| *number <= self.last);
        numbers.map(|number| format!("{number:0width$}", width = self.width))
    }
}

/// All in one pair of brackets.
pub(super) struct Ranges {
    pub(super) ranges: Vec<Range>,
    pub(super) count: u128,
    /// Characters of the longest number.
    pub(super) letters: usize,
}

impl Ranges {
    /// Reads from the bracket on, in a word that means `times` names up to here.
    pub(super) fn read(reader: &mut Reader<'_>, times: u128) -> Result<Ranges, Fault> {
        let open = *reader;
        reader.skip(1);
        let mut all = Ranges { ranges: Vec::new(), count: 0, letters: 0 };
        loop {
            let start = *reader;
            let item = reader.take_until(|byte| byte == b']' || byte == b'[' || ends_word(byte));
            let end = match reader.peek() {
                Some(end @ (b',' | b']')) => end,
                Some(b'[') => {
                    let what =
                        "another bracket begins before this one is closed, and no range stands within one";
                    return Err(open.fault(what));
                }
                _ => return Err(open.fault("this bracket is not closed, a `]` is missing")),
            };
            let range = range(item, start)?;
            all.count += range.count();
            enough(all.count * times).map_err(|what| start.fault(what))?;
            all.letters = all.letters.max(range.letters());
            all.ranges.push(range);
            reader.skip(1);
            if end == b']' {
                return Ok(all);
            }
        }
    }
}

/// Whether so many names can be selected at once.
pub(super) fn enough(names: u128) -> Result<(), String> {
    if names <= MOST_NAMES {
        return Ok(());
    }
    Err(format!("up to here this is {names} hosts, and at most {MOST_NAMES} can be selected at once"))
}

fn range(item: &str, mut at: Reader<'_>) -> Result<Range, Fault> {
    let start = at;
    let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
    let (from, to) = range.split_once('-').map_or((range, None), |(from, to)| (from, Some(to)));
    let first = number(from, at)?;
    at.skip(from.len() + 1);
    let last = to.map_or(Ok(first), |to| number(to, at))?;
    at.skip(to.map_or(0, |to| to.len() + 1));
    let step = step.map(|step| number(step, at)).transpose()?;
    let to_text = to.unwrap_or(from);
    let padded = [from, to_text].iter().any(|number| number.len() > 1 && number.starts_with('0'));
    if first > last {
        return Err(start.fault(format!("a range goes up, and {first} is more than {last}")));
    }
    if padded && from.len() != to_text.len() {
        return Err(
            start.fault(format!("{from} and {to_text} must have as many digits, for one has a leading zero"))
        );
    }
    match step {
        Some(0) => Err(at.fault("a step is at least 1")),
        Some(_) if to.is_none() => Err(at.fault("a step needs a range before it, as in [0-10/5]")),
        step => {
            Ok(Range { first, last, step: step.unwrap_or(1), width: if padded { from.len() } else { 0 } })
        }
    }
}

fn number(text: &str, at: Reader<'_>) -> Result<u64, Fault> {
    if text.is_empty() {
        return Err(at.fault("a number is missing here"));
    }
    if let Some(strange) = text.bytes().find(|byte| !byte.is_ascii_digit()) {
        return Err(at.fault(format!("this must be a number, and has a `{}`", char::from(strange))));
    }
    let number = text.parse().ok().filter(|_| text.len() <= MOST_DIGITS);
    number.ok_or_else(|| at.fault(format!("a number has at most {MOST_DIGITS} digits")))
}
