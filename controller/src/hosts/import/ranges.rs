//! Ranges as Ansible writes them: `web[01:50]`, `db-[a:f]`, `n[0:10:5]`.

use super::{MOST_LETTERS, MOST_MACHINES};

/// All names that a text means, the last range counting fastest.
pub(super) fn expand(text: &str) -> Result<Vec<String>, String> {
    if text.len() > MOST_LETTERS {
        return Err(format!("a name has at most {MOST_LETTERS} characters, with its ranges"));
    }
    let mut names = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (inside, after) = after.split_once(']').ok_or("a bracket is not closed, a `]` is missing")?;
        let range = Range::read(inside)?;
        if range.count() > MOST_MACHINES / names.len() {
            return Err(format!("this means more than {MOST_MACHINES} machines"));
        }
        names = names
            .iter()
            .flat_map(|name| range.all().map(move |one| format!("{name}{before}{one}")))
            .collect();
        rest = after;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

/// From, to and by which step: numbers with as many digits at least, or letters.
struct Range {
    first: u32,
    last: u32,
    step: u32,
    digits: Option<usize>,
}

impl Range {
    fn read(text: &str) -> Result<Range, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (from, to, step) = match parts[..] {
            [from, to] => (from, to, "1"),
            [from, to, step] => (from, to, step),
            _ => return Err(format!("`[{text}]` is no range, which is [FROM:TO] or [FROM:TO:STEP]")),
        };
        let step = number(step).filter(|step| *step > 0).ok_or("a step is a number, and at least 1")?;
        let (first, last, digits) = match (letter(from), letter(to)) {
            (Some(first), Some(last)) => (first, last, None),
            _ => {
                let from = if from.is_empty() { "0" } else { from };
                let is_padded = from.len() > 1 && from.starts_with('0');
                if is_padded && from.len() != to.len() {
                    return Err(format!(
                        "{from} and {to} must have as many digits, for one has a leading zero"
                    ));
                }
                let what =
                    || format!("`[{text}]` goes neither from number to number nor from letter to letter");
                (
                    number(from).ok_or_else(what)?,
                    number(to).ok_or_else(what)?,
                    Some(if is_padded { from.len() } else { 0 }),
                )
            }
        };
        match first <= last {
            true => Ok(Range { first, last, step, digits }),
            false => Err(format!("a range goes up, and `[{text}]` goes down")),
        }
    }

    fn count(&self) -> usize {
        ((self.last - self.first) / self.step) as usize + 1
    }

    fn all(&self) -> impl Iterator<Item = String> {
        let values = (self.first..=self.last).step_by(self.step as usize);
        values.map(|value| match self.digits {
            Some(digits) => format!("{value:0digits$}"),
            None => char::from_u32(value).map(String::from).unwrap_or_default(),
        })
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn letter(text: &str) -> Option<u32> {
    let letter = text.parse::<char>().ok()?;
    letter.is_ascii_lowercase().then(|| u32::from(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_spelled_out_as_ansible_does() {
        for (text, names) in [
            ("web-1", "web-1"),
            ("web[8:11]", "web8 web9 web10 web11"),
            ("web[08:10].example.com", "web08.example.com web09.example.com web10.example.com"),
            ("db-[a:c]", "db-a db-b db-c"),
            ("n[0:10:5]", "n0 n5 n10"),
            ("n[:2]", "n0 n1 n2"),
            ("r[1:2]n[a:b]", "r1na r1nb r2na r2nb"),
        ] {
            assert_eq!(expand(text).unwrap().join(" "), names);
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for (text, fault) in [
            ("web[1:", "a bracket is not closed, a `]` is missing"),
            ("web[1-5]", "`[1-5]` is no range, which is [FROM:TO] or [FROM:TO:STEP]"),
            ("web[9:1]", "a range goes up, and `[9:1]` goes down"),
            ("web[01:100]", "01 and 100 must have as many digits, for one has a leading zero"),
            ("web[a:9]", "`[a:9]` goes neither from number to number nor from letter to letter"),
            (
                "web[1:99999999999]",
                "`[1:99999999999]` goes neither from number to number nor from letter to letter",
            ),
            ("web[1:9:0]", "a step is a number, and at least 1"),
            ("w[0:999][0:999][0:999]", "this means more than 1000000 machines"),
            ("w[0:4294967295]", "this means more than 1000000 machines"),
        ] {
            assert_eq!(expand(text).unwrap_err(), fault);
        }
    }
}
