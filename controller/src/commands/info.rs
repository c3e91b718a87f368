//! `controller info`: what a machine is and how it is doing, on about one screen.

mod row;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;
use protocol::requests::info::{
    self, Agent, Cpu, Disk, Interface, Machine, Memory, Sandbox, Section, System, User,
};

use crate::completion;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;
use crate::fleet::{ANSWERED, Fleet, Which};
use crate::output::human::{age, age_of_seconds, at_offset, bar, bytes, plain, ratio};
use crate::output::table::columns;
use crate::output::{Column, Show};

/// What a machine is and how it is doing.
#[derive(Debug, Args)]
pub struct Info {
    /// Names, addresses, ranges such as `'web[01-20]'`, groups such as `@web`.
    #[arg(required_unless_present = "hosts_file", add = completion::hosts())]
    pub hosts: Vec<String>,
    /// Only these parts, separated by commas [default: all]. What is not asked for is not gathered.
    #[arg(long, value_name = "PARTS", value_delimiter = ',', value_parser = section_parser())]
    pub section: Vec<Section>,
    /// Which besides, and how.
    #[command(flatten)]
    pub which: Which,
}

/// Reads the name of a section, and knows them all for the help.
pub(crate) fn section_parser() -> impl TypedValueParser<Value = Section> {
    PossibleValuesParser::new(Section::ALL.map(Section::name)).map(|name| {
        // The parser lets only these names through.
        Section::ALL.into_iter().find(|section| section.name() == name).unwrap_or(Section::System)
    })
}

impl Info {
    /// Asks and shows.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let ask = info::Info { sections: self.section.clone() };
        let fleet = Fleet { desk, which: &self.which, words: ANSWERED };
        fleet.ask(&self.hosts, async |client| Ok(client.ask(ask.clone()).await?)).await
    }
}

impl Show for Machine {
    const SCHEMA: &'static str = "rollcall.info/1";

    fn table(&self, host: &str) -> String {
        let offset = self.system.as_ref().map_or(0, |system| system.utc_offset_seconds);
        let mut text = format!("{}  {}\n", plain(host), clock(self.at, offset));
        let mut facts = Vec::new();
        self.system.iter().for_each(|part| system(part, &mut facts));
        self.cpu.iter().for_each(|part| cpu(part, &mut facts));
        self.memory.iter().for_each(|part| memory(part, &mut facts));
        self.agent.iter().for_each(|part| agent(part, &mut facts));
        if !facts.is_empty() {
            text += &columns(None, &facts, &[]);
        }
        if let Some(part) = &self.disks {
            text += &disks(part);
        }
        if let Some(part) = &self.network {
            text += &network(part);
        }
        if let Some(part) = &self.users {
            text += &users(part);
        }
        text
    }

    fn columns() -> Vec<Column<Machine>> {
        row::columns()
    }
}

fn fact(facts: &mut Vec<Vec<String>>, label: &str, value: String) {
    facts.push(vec![label.to_owned(), value]);
}

fn system(part: &System, facts: &mut Vec<Vec<String>>) {
    fact(facts, "host", part.host_name.clone());
    fact(facts, "system", format!("{}, kernel {}, {}", part.os, part.kernel, part.architecture));
    let machine: Vec<&str> = part.virtualisation.iter().chain(&part.hardware).map(String::as_str).collect();
    if !machine.is_empty() {
        fact(facts, "machine", machine.join(", "));
    }
    let booted = local(part.booted, part.utc_offset_seconds);
    fact(facts, "up", format!("{}, since {booted}", age_of_seconds(part.uptime_seconds)));
    if let Some(zone) = &part.time_zone {
        fact(facts, "time zone", zone.clone());
    }
}

fn cpu(part: &Cpu, facts: &mut Vec<Vec<String>>) {
    let physical = part.physical_cores.map(|cores| format!("{cores} physical, ")).unwrap_or_default();
    let model = part.model.as_deref().map(|model| format!("{model}, ")).unwrap_or_default();
    fact(facts, "processor", format!("{model}{physical}{} logical cores", part.logical_cores));
    let over = age_of_seconds(part.used_over_seconds);
    let [one, five, fifteen] = part.load;
    let load = format!("load {one:.2} {five:.2} {fifteen:.2}");
    fact(facts, "cpu", format!("{} over {over}, {load}", bar(part.used_ratio)));
}

fn memory(part: &Memory, facts: &mut Vec<Vec<String>>) {
    let share = |used, total| format!("{} {} of {} used", bar(ratio(used, total)), bytes(used), bytes(total));
    let available = bytes(part.available_bytes);
    fact(facts, "memory", format!("{}, {available} available", share(part.used_bytes, part.total_bytes)));
    if part.swap_total_bytes > 0 {
        fact(facts, "swap", share(part.swap_used_bytes, part.swap_total_bytes));
    }
}

fn agent(part: &Agent, facts: &mut Vec<Vec<String>>) {
    let limit = part.descriptors_limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    let running = age_of_seconds(part.running_seconds);
    let memory = bytes(part.memory_bytes);
    let descriptors = part.descriptors;
    let (name, version) = (&part.name, &part.version);
    fact(
        facts,
        "agent",
        format!("{name}, version {version}, running {running}, {memory}, {descriptors}{limit} descriptors"),
    );
    if let Some(problem) = &part.audit {
        fact(facts, "audit log", format!("NOT WRITTEN: {problem}"));
    }
    fact(facts, "sandbox", sandbox(part.sandbox.as_ref()));
    let left = part.certificate_ends.duration_since(Timestamp::now());
    let left = if left.is_negative() { format!("{} ago", age(left)) } else { format!("in {}", age(left)) };
    fact(facts, "certificate", format!("ends {left}, {}", local(part.certificate_ends, 0)));
}

fn sandbox(told: Option<&Sandbox>) -> String {
    let Some(told) = told else {
        return "none: the agent is a part of another program, or an old one".to_owned();
    };
    let holds = if told.holds.is_empty() { "nothing".to_owned() } else { told.holds.join(", ") };
    if told.missing.is_empty() { holds } else { format!("{holds}; MISSING: {}", told.missing.join("; ")) }
}

fn disks(part: &[Disk]) -> String {
    let rows: Vec<Vec<String>> = part
        .iter()
        .map(|disk| {
            let mode = if disk.read_only { "ro" } else { "rw" };
            let place = [disk.mount_point.clone(), disk.kind.clone(), mode.to_owned()];
            let numbers = match (&disk.space, &disk.problem) {
                (Some(space), _) => {
                    let used = space.size_bytes.saturating_sub(space.free_bytes);
                    // As df counts: what only root may fill is neither used nor free.
                    let share = ratio(used, used.saturating_add(space.available_bytes));
                    let inodes_used = space.inodes.saturating_sub(space.inodes_free);
                    let inodes = match space.inodes {
                        0 => "-".to_owned(),
                        all => format!("{:.0} %", ratio(inodes_used, all) * 100.0),
                    };
                    [bytes(space.size_bytes), bytes(space.available_bytes), bar(share), inodes]
                }
                (None, problem) => {
                    let problem = problem.clone().unwrap_or_else(|| "no numbers".to_owned());
                    ["-".to_owned(), "-".to_owned(), problem, "-".to_owned()]
                }
            };
            place.into_iter().chain(numbers).collect()
        })
        .collect();
    let head = ["disk", "kind", "mode", "size", "free", "used", "inodes"];
    columns(Some(&head), &rows, &[3, 4, 6])
}

fn network(part: &[Interface]) -> String {
    // What is down and was never used is of no interest here; the JSON has it.
    let used = |interface: &&Interface| {
        interface.up || interface.received_bytes > 0 || !interface.addresses.is_empty()
    };
    let rows: Vec<Vec<String>> = part
        .iter()
        .filter(used)
        .map(|interface| {
            vec![
                interface.name.clone(),
                if interface.up { "up" } else { "down" }.to_owned(),
                bytes(interface.received_bytes),
                bytes(interface.sent_bytes),
                interface.errors.to_string(),
                interface.addresses.join(" "),
            ]
        })
        .collect();
    columns(Some(&["network", "", "received", "sent", "errors", "addresses"]), &rows, &[2, 3, 4])
}

fn users(part: &[User]) -> String {
    if part.is_empty() {
        return columns(None, &[vec!["users".to_owned(), "nobody is logged in".to_owned()]], &[]);
    }
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = part
        .iter()
        .map(|user| {
            let since = user.since.map(|since| local(since, 0));
            vec![user.name.clone(), or_dash(&user.terminal), or_dash(&user.from), or_dash(&since)]
        })
        .collect();
    columns(Some(&["user", "terminal", "from", "since"]), &rows, &[])
}

/// A moment, by the clock on that machine's wall.
fn local(moment: Timestamp, utc_offset_seconds: i32) -> String {
    at_offset(moment, utc_offset_seconds, "%Y-%m-%d %H:%M %:z")
}

fn clock(moment: Timestamp, utc_offset_seconds: i32) -> String {
    at_offset(moment, utc_offset_seconds, "%Y-%m-%d %H:%M:%S %:z")
}
