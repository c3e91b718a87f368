//! Many names as a short text, which selects the same again: `r[1-4]n[1-16],web[01-20]`.
//!
//! Names that differ in their numbers alone are points of one grid. Number by number, from the last to the first, those
//! that agree in all others become one. Each such pass costs what there is, so the whole stays near linear.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

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

/// The lists of numbers that stand at the places of a frame, by their numbers in [`Lists`]: all combinations are meant.
type Grid = Box<[u32]>;

/// Sorted lists of numbers, each kept once: there are many names, and few numbers in them.
#[derive(Default)]
struct Lists<'a> {
    all: Vec<Rc<[Number<'a>]>>,
    known: HashMap<Rc<[Number<'a>]>, u32>,
}

impl<'a> Lists<'a> {
    fn add(&mut self, list: &[Number<'a>]) -> u32 {
        if let Some(at) = self.known.get(list) {
            return *at;
        }
        let at = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let list: Rc<[Number<'a>]> = list.into();
        self.all.push(Rc::clone(&list));
        self.known.insert(list, at);
        at
    }

    fn get(&self, at: u32) -> &[Number<'a>] {
        &self.all[at as usize]
    }

    /// All numbers of several lists as one.
    fn unite(&mut self, lists: impl Iterator<Item = u32>) -> u32 {
        let mut numbers: Vec<Number<'a>> = lists.flat_map(|at| self.get(at)).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        self.add(&numbers)
    }
}

/// The shortest text that is quickly found for these names, each once, web2 before web10. It holds for names as
/// [`select`](super::select) gives them.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut lists = Lists::default();
    let mut grids: HashMap<Frame<'a>, Vec<Grid>> = HashMap::new();
    for name in names {
        let (frame, numbers) = take_apart(name);
        let point = numbers.iter().map(|number| lists.add(&[*number])).collect();
        grids.entry(frame).or_default().push(point);
    }
    for grids in grids.values_mut() {
        merge(grids, &mut lists);
    }
    let mut all: Vec<(&Frame<'a>, Vec<&[Number<'a>]>)> = Vec::new();
    for (frame, grids) in &grids {
        all.extend(grids.iter().map(|grid| (frame, grid.iter().map(|at| lists.get(*at)).collect())));
    }
    all.sort_unstable_by(|one, other| natural(one).cmp(natural(other)));
    all.iter().map(|(frame, grid)| spell(frame, grid)).collect::<Vec<_>>().join(",")
}

/// A name as frame and numbers. IPv6 addresses have no decimal numbers, and stay whole.
fn take_apart(name: &str) -> (Frame<'_>, Vec<Number<'_>>) {
    let whole = || (vec![name], Vec::new());
    if name.starts_with('[') || name.matches(':').count() > 1 {
        return whole();
    }
    let (mut frame, mut numbers) = (Vec::new(), Vec::new());
    let (mut from, mut at) = (0, 0);
    for run in name.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = run.trim_end_matches(|c: char| !c.is_ascii_digit()).len();
        if (1..=MOST_DIGITS).contains(&digits) {
            frame.push(&name[from..at]);
            numbers.push(Number(&name[at..at + digits]));
            from = at + digits;
        }
        at += run.len();
    }
    frame.push(&name[from..]);
    if numbers.len() > MOST_NUMBERS { whole() } else { (frame, numbers) }
}

/// Points of one frame as few grids that hold the same.
fn merge(grids: &mut Vec<Grid>, lists: &mut Lists<'_>) {
    let places = grids.first().map_or(0, |grid| grid.len());
    for place in (0..places).rev() {
        grids.sort_unstable_by(|one, other| others(one, place).cmp(&others(other, place)));
        let alike = grids.chunk_by(|one, other| others(one, place) == others(other, place));
        let merged = alike.map(|alike| {
            let mut grid = alike[0].clone();
            grid[place] = lists.unite(alike.iter().map(|grid| grid[place]));
            grid
        });
        *grids = merged.collect();
    }
    // Names without a number are all the same one.
    grids.dedup();
}

/// All places but one.
fn others(grid: &Grid, place: usize) -> [&[u32]; 2] {
    [&grid[..place], &grid[place + 1..]]
}

/// What to sort by: texts and first numbers in turn.
fn natural<'a>(
    (frame, grid): &'a (&Frame<'_>, Vec<&[Number<'_>]>),
) -> impl Iterator<Item = (&'a str, Option<Number<'a>>)> {
    let firsts = grid.iter().map(|numbers| numbers.first().copied()).chain([None]);
    frame.iter().copied().zip(firsts)
}

fn spell(frame: &[&str], grid: &[&[Number<'_>]]) -> String {
    let numbers = grid.iter().map(|numbers| match numbers {
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
