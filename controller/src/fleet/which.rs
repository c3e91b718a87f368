//! Which hosts are meant, and how carefully they are asked: what every verb takes that asks many.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::breadth::Width;
use super::directory::Directory;
use super::lists::Texts;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::hosts::{Host, Inventory};
use crate::output::human::plain;
use crate::selection::{self, Fault, Where};
use crate::span::parse_duration;

/// The usual width of the window. So many near ones keep a processor busy; more would only wait for each other, and hold memory.
/// Those who wait for a host that is dead or silent are open besides.
const USUAL: Width = Width { near: 64, far: 256, all: 4096 };

/// For files, the terminal and what the system opens by itself; half of them where there are few.
const SPARE_DESCRIPTORS: usize = 64;

/// Which hosts besides those that are named, and how they are asked.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// Which besides.
    #[command(flatten)]
    pub filter: Filter,
    /// How they are asked.
    #[command(flatten)]
    pub care: Care,
    /// How their answers look.
    #[command(flatten)]
    pub look: Look,
}

/// Which hosts besides those that are named, and which not.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Many hosts")]
pub struct Filter {
    /// Take hosts from a file too, a selection a line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub hosts_file: Vec<PathBuf>,
    /// But not these.
    #[arg(long, value_name = "HOSTS")]
    pub exclude: Vec<String>,
    /// Only those with these labels, such as `role=web,zone!=b`.
    #[arg(long = "where", value_name = "LABELS")]
    pub labelled: Option<String>,
}

/// How many at once, and when to stop.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Many hosts")]
pub struct Care {
    /// Ask so many at once, and no more [default: 64, more where they are far away or do not answer].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub jobs: Option<u32>,
    /// Ask so many, and the next when all of those are done.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub batch: Option<u32>,
    /// Wait so long between two batches.
    #[arg(long, value_name = "TIME", requires = "batch", value_parser = parse_duration)]
    pub pause: Option<Duration>,
    /// Ask nobody more when so many have failed; no more than that are asked at once.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_fail: Option<u32>,
    /// Ask in no order.
    #[arg(long)]
    pub random_order: bool,
}

fn parse_count(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "this is a number from 1 on".to_owned())
}

/// Which columns, and by which they are sorted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Many hosts")]
pub struct Look {
    /// Show these columns, separated by commas.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Sort the table by this column; with - in front, the largest or the worst first [default: as the hosts were named].
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub sort: Option<String>,
}

/// Who is meant.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) labels: Vec<String>,
    /// One host that was named by nothing but its name: its answer stands for itself.
    pub(crate) is_one: bool,
}

impl Which {
    /// Everybody who is meant.
    pub(crate) fn choose(
        &self,
        named: &[String],
        desk: &Desk,
        inventory: &Inventory,
    ) -> Result<Chosen, Trouble> {
        let chosen = self.filter.choose(named, desk, inventory)?;
        let is_a_row = !self.look.columns.is_empty() || self.look.sort.is_some();
        Ok(Chosen { is_one: chosen.is_one && !is_a_row, ..chosen })
    }
}

/// What is said of a name that can be nobody's: where it is written, of all these texts.
fn misnamed((label, what): (String, String), texts: &[String], directory: &Directory<'_>) -> Fault {
    let means = |text: &&String| {
        text.contains(&label)
            || selection::select(&[text], directory).is_ok_and(|names| names.contains(&label))
    };
    let text = texts.iter().find(means).cloned().unwrap_or_default();
    let at = text.find(&label).map_or(0, |at| text[..at].chars().count());
    Fault { text, at, what }
}

/// The first name that can be nobody's, and why.
fn judge(names: &[String], inventory: &Inventory) -> Result<(), (String, String)> {
    let judge = |name: &String| Host::judge(name, inventory).map(drop).map_err(|why| (name.clone(), why));
    names.iter().try_for_each(judge)
}

impl Filter {
    /// Everybody who is meant, in the order in which they were named, each once.
    pub(crate) fn choose(
        &self,
        named: &[String],
        desk: &Desk,
        inventory: &Inventory,
    ) -> Result<Chosen, Trouble> {
        let mut texts = Texts::default();
        for word in named {
            match word.as_str() {
                "-" => texts.read(Path::new("-"))?,
                word => texts.type_in(word),
            }
        }
        self.hosts_file.iter().try_for_each(|file| texts.read(file))?;
        let directory = Directory::new(inventory, &desk.home);
        let labels = self.select(&texts.all, &directory, inventory, desk);
        // What stands in the home counts first: without it, a selection means something else.
        if let Some(fault) = directory.fault() {
            return Err(fault);
        }
        let mut labels = labels.map_err(|fault| Trouble::Here(texts.told(&fault), String::new()))?;
        if labels.is_empty() {
            let flags = match (self.exclude.is_empty(), self.labelled.is_some()) {
                (false, true) => "--exclude and --where leave",
                (false, false) => "--exclude leaves",
                (true, _) => "--where leaves",
            };
            return Err(Trouble::Here(format!("{flags} nobody of those who are named"), String::new()));
        }
        let judged = judge(&labels, inventory);
        judged.map_err(|slip| {
            Trouble::Here(texts.told(&misnamed(slip, &texts.all, &directory)), String::new())
        })?;
        // The list is kept as long as anybody on it is asked.
        labels.shrink_to_fit();
        Ok(Chosen { is_one: labels.len() == 1 && labels == named, labels })
    }

    fn select(
        &self,
        texts: &[String],
        directory: &Directory<'_>,
        inventory: &Inventory,
        desk: &Desk,
    ) -> Result<Vec<String>, Fault> {
        let (mut labels, in_vain) = selection::select_and_remark(texts, directory)?;
        // Who is named only to be left out is not among those who are judged later, and a slip there would ask him.
        let judge = |names: &[String], texts: &[String]| {
            judge(names, inventory).map_err(|slip| misnamed(slip, texts, directory))
        };
        for word in in_vain {
            judge(&selection::select(&[&word], directory).unwrap_or_default(), texts)?;
            desk.say(&format!("controller: !{} leaves nobody out", plain(&word)));
        }
        for text in &self.exclude {
            let not = selection::select(&[text], directory)?;
            judge(&not, std::slice::from_ref(text))?;
            let (left, was_there) = selection::without(labels, &not, directory);
            labels = left;
            if !was_there {
                desk.say(&format!("controller: --exclude {} leaves nobody out", plain(text)));
            }
        }
        if let Some(labelled) = &self.labelled {
            let filter = Where::parse(labelled, directory)?;
            labels.retain(|label| filter.keep(label, directory));
        }
        Ok(labels)
    }
}

impl Care {
    /// How wide the window is, with as many descriptors as the machine gives.
    pub(super) fn width(&self) -> Width {
        let limit = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        let open = limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let open = (open - SPARE_DESCRIPTORS.min(open / 2)).max(1);
        // As many as are open may fail: when some of them have, that must not be more than were allowed to.
        let most = self.jobs.into_iter().chain(self.max_fail).min();
        most.map_or(USUAL, |most| Width::fixed(most as usize)).within(open)
    }

    /// Whether anybody said how many may be asked at once, or fail.
    pub(super) fn is_asked_for(&self) -> bool {
        self.jobs.is_some() || self.batch.is_some() || self.max_fail.is_some()
    }

    /// How many of so many are asked before the next.
    pub(super) fn batch_of(&self, all: usize) -> usize {
        self.batch.map_or(all, |batch| batch as usize).max(1)
    }

    pub(super) fn stops_after(&self, failed: usize) -> bool {
        self.max_fail.is_some_and(|most| failed >= most as usize)
    }
}
