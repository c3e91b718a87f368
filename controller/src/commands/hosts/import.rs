//! `controller hosts import`: machines that another program's list knows become known here.

use std::path::PathBuf;

use clap::Args;

use super::edit::{change, unchanged};
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::hosts::import::{self, Catch, Format};
use crate::hosts::{Inventory, demand_word};
use crate::input;
use crate::output::human::{grouped, plain};

/// Lines that are told of a kind; a file can go wrong in all of its lines.
const MOST_TOLD: usize = 20;

/// New names that are told.
const MOST_RENAMED: usize = 3;

/// Add the machines of an Ansible inventory, an ssh configuration or a plain list.
#[derive(Debug, Args)]
pub struct Import {
    /// The file; `-` is standard input.
    pub file: PathBuf,
    /// How it is written [default: found out by its name and by what stands in it].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// These variables of an inventory's hosts and groups become labels; separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = parse_key)]
    pub labels: Vec<String>,
    /// Print what would be written, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

fn parse_key(text: &str) -> Result<String, String> {
    demand_word(text).map(|()| text.to_owned())
}

impl Import {
    /// Adds them, and tells what became of each line.
    pub(crate) fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let text = input::text(&self.file).map_err(unread)?;
        let format = self.format.unwrap_or_else(|| Format::guess(&self.file, &text));
        let catch = import::read(&text, format, &self.labels);
        let catch = catch.map_err(|fault| unread(format!("{}: {fault}", input::called(&self.file))))?;
        for label in catch.lacks(&self.labels) {
            desk.remark(&format!("no machine has a variable `{label}` that is one word"));
        }
        if self.dry_run {
            let inventory = desk.home.inventory()?;
            let (more, import) = with(catch, &inventory, desk)?;
            desk.print(more.text().strip_prefix(inventory.text()).unwrap_or(more.text()).trim_start())?;
            return Ok(tell(&import, "would be added", desk));
        }
        let mut exit = Exit::Answered;
        change(desk, |inventory| {
            let (more, import) = with(catch, inventory, desk)?;
            exit = tell(&import, "added", desk);
            Ok(more)
        })?;
        Ok(exit)
    }
}

fn unread(fault: String) -> Trouble {
    Trouble::Here(fault, "nothing was changed; where it is taken for what it is not, say --format".to_owned())
}

fn with(catch: Catch, inventory: &Inventory, desk: &Desk) -> Result<(Inventory, import::Import), Trouble> {
    let import = import::settle(catch, inventory).map_err(|fault| desk.home.damaged_hosts(&fault))?;
    let more = match import.new.is_empty() {
        true => inventory.clone(),
        false => inventory.with_machines(&import.new).map_err(unchanged)?,
    };
    Ok((more, import))
}

/// Remarks first, then who is called otherwise, then who is missing, and the sum last, where it is read.
fn tell(import: &import::Import, added: &str, desk: &Desk) -> Exit {
    let import::Import { new, known, renamed, left_out, remarks } = import;
    some_of(remarks).iter().for_each(|line| desk.remark(line));
    if !renamed.is_empty() {
        let shown =
            renamed.iter().take(MOST_RENAMED).map(|(name, text)| format!("{} is {name}", plain(text)));
        let shown: Vec<String> = shown.collect();
        let more = if renamed.len() > MOST_RENAMED { ", ..." } else { "" };
        let count = grouped(renamed.len());
        desk.remark(&format!("{count} with another name here: {}{more}", shown.join(", ")));
    }
    some_of(left_out).iter().for_each(|line| desk.say(line));
    let (nothing, [new, known, missing]) =
        (new.len() + *known + left_out.len() == 0, [new.len(), *known, left_out.len()].map(grouped));
    desk.remark(&format!("{new} {added}, {known} known already, {missing} left out"));
    if nothing {
        desk.remark("no machine stands in it; where it is taken for what it is not, say --format");
    }
    if left_out.is_empty() { Exit::Answered } else { Exit::Refused }
}

fn some_of(remarks: &[import::Remark]) -> Vec<String> {
    let mut lines: Vec<String> =
        remarks.iter().take(MOST_TOLD).map(|remark| plain(&remark.to_string()).into_owned()).collect();
    if remarks.len() > MOST_TOLD {
        lines.push(format!("and {} lines more", grouped(remarks.len() - MOST_TOLD)));
    }
    lines
}
