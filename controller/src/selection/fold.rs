//! Many names as a short text, which selects the same again: `r[1-4]n[1-16],web[01-20]`.
//!
//! Names that differ in their numbers alone are points of one grid. Number by number, from the last to the first, those
//! that agree in all others become one. Each such pass costs what there is, so the whole stays near linear.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::ranges::MOST_DIGITS;

/// Numbers of a name that are folded. A name with more is no row of machines; each number costs a pass.
const MOST_NUMBERS: usize = 8;

/// Digits as written. Shorter ones come first, so that 10 follows 9, and 09 does not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Number<'a>(&'a str);

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), self.0).cmp(&(other.0.len(), other.0))
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number<'_> {
    fn is_padded(self) -> bool {
        self.0.len() > 1 && self.0.starts_with('0')
    }

    /// Whether a range that began with `first` and came as far as this goes on with `next`.
    fn goes_on(self, first: Number<'_>, next: Number<'_>) -> bool {
        let value = |number: Number<'_>| number.0.parse::<u64>().ok();
        let written_alike = if first.is_padded() { next.0.len() == first.0.len() } else { !next.is_padded() };
        written_alike && value(next) == value(self).map(|value| value + 1)
    }
}

/// What names have in common: the text before, between and after their numbers.
type Frame<'a> = Vec<&'a str>;

/// The numbers that stand at each place of a frame, sorted: all their combinations are meant.
type Grid<'a> = Vec<Vec<Number<'a>>>;

/// The shortest text that is quickly found for these names, each once, web2 before web10. It holds for names as
/// [`select`](super::select) gives them.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut grids: HashMap<Frame<'a>, Vec<Grid<'a>>> = HashMap::new();
    for name in names {
        let (frame, point) = take_apart(name);
        grids.entry(frame).or_default().push(point);
    }
    let mut all = Vec::new();
    for (frame, points) in grids {
        all.extend(merge(points).into_iter().map(|grid| (frame.clone(), grid)));
    }
    all.sort_unstable_by(|one, other| natural(one).cmp(natural(other)));
    all.iter().map(|(frame, grid)| spell(frame, grid)).collect::<Vec<_>>().join(",")
}

/// A name as frame and numbers. IPv6 addresses have no decimal numbers, and stay whole.
fn take_apart(name: &str) -> (Frame<'_>, Grid<'_>) {
    let whole = || (vec![name], Vec::new());
    if name.starts_with('[') || name.matches(':').count() > 1 {
        return whole();
    }
    let (mut frame, mut point) = (Vec::new(), Vec::new());
    let (mut from, mut at) = (0, 0);
    for run in name.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = run.trim_end_matches(|c: char| !c.is_ascii_digit()).len();
        if (1..=MOST_DIGITS).contains(&digits) {
            frame.push(&name[from..at]);
            point.push(vec![Number(&name[at..at + digits])]);
            from = at + digits;
        }
        at += run.len();
    }
    frame.push(&name[from..]);
    if point.len() > MOST_NUMBERS { whole() } else { (frame, point) }
}

/// Points of one frame as few grids that hold the same.
fn merge<'a>(mut grids: Vec<Grid<'a>>) -> Vec<Grid<'a>> {
    // A name alone has nothing to merge with, and irregular names are mostly alone.
    let places = grids.first().filter(|_| grids.len() > 1).map_or(0, Vec::len);
    for place in (0..places).rev() {
        let mut alike: HashMap<Grid<'a>, Vec<Number<'a>>> = HashMap::new();
        for mut grid in grids {
            let numbers = std::mem::take(&mut grid[place]);
            alike.entry(grid).or_default().extend(numbers);
        }
        let filled = alike.into_iter().map(|(mut grid, mut numbers)| {
            numbers.sort_unstable();
            numbers.dedup();
            grid[place] = numbers;
            grid
        });
        grids = filled.collect();
    }
    // Names without a number are all the same one.
    grids.dedup();
    grids
}

/// What to sort by: texts and first numbers in turn.
fn natural<'a>(
    (frame, grid): &'a (Frame<'_>, Grid<'_>),
) -> impl Iterator<Item = (&'a str, Option<Number<'a>>)> {
    let firsts = grid.iter().map(|numbers| numbers.first().copied()).chain([None]);
    frame.iter().copied().zip(firsts)
}

fn spell(frame: &[&str], grid: &[Vec<Number<'_>>]) -> String {
    let numbers = grid.iter().map(|numbers| match numbers.as_slice() {
        [one] => one.0.to_owned(),
        many => format!("[{}]", ranges(many)),
    });
    frame
        .iter()
        .zip(numbers.chain([String::new()]))
        .fold(String::new(), |name, (text, number)| name + text + &number)
}

fn ranges(numbers: &[Number<'_>]) -> String {
    let mut all: Vec<(Number<'_>, Number<'_>)> = Vec::new();
    for number in numbers {
        match all.last_mut() {
            Some((first, last)) if last.goes_on(*first, *number) => *last = *number,
            _ => all.push((*number, *number)),
        }
    }
    let shown = all.iter().map(|(first, last)| match first == last {
        true => first.0.to_owned(),
        false => format!("{}-{}", first.0, last.0),
    });
    shown.collect::<Vec<_>>().join(",")
}
