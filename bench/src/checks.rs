//! What a declared check costs: on an open connection beside a plain request and a bare start of the same program, and as a whole
//! process beside the same plugin through `check_nrpe`. And what an agent with a runner holds when nobody asks.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bench::Error;
use protocol::requests::check::Check;
use protocol::requests::uptime::Uptime;

use crate::fleet::Fleet;
use crate::load::{Batch, Client};
use crate::oneshot::{in_turns, numbers, one, ratios};
use crate::peers::{find, nrpe};
use crate::report::{Aim, Report};
use crate::samples::Samples;
use crate::server::Server;
use crate::{Effort, proc};

const PROGRAM: &str = "/bin/true";
/// Of different weight, with limits far from anything that is, so that each says OK.
const PLUGINS: [(&str, &[&str]); 4] = [
    ("check_load", &["-w", "1000,1000,1000", "-c", "1000,1000,1000"]),
    ("check_swap", &["-n", "ok", "-w", "1", "-c", "1"]),
    ("check_users", &["-w", "1000", "-c", "1000"]),
    ("check_disk", &["-w", "0%", "-c", "0%", "-p", "/"]),
];

/// What a plugin is declared as, and the words that start it.
type Declared = (&'static str, Vec<String>);

pub(crate) fn measure(fleet: &Fleet, effort: &Effort, report: &mut Report) -> Result<(), Error> {
    let plugins = installed(report);
    let mut declared = format!("[check.true]\nexec = [\"{PROGRAM}\"]\n");
    for (name, words) in &plugins {
        declared += &format!("[check.{name}]\nexec = {words:?}\n");
    }
    let agent = fleet.agent_declaring(&declared)?;
    on_a_connection(fleet, effort, report, &agent)?;
    at_rest(effort, report, &agent)?;
    beside_nrpe(fleet, effort, report, &plugins)
}

fn installed(report: &mut Report) -> Vec<Declared> {
    let declared = PLUGINS.into_iter().filter_map(|(plugin, arguments)| {
        let Ok(program) = find(plugin) else {
            report.not_measured(
                &format!("`{plugin}` through check_nrpe"),
                &format!("`{plugin}` is not installed."),
            );
            return None;
        };
        let arguments = arguments.iter().map(ToString::to_string);
        Some((
            plugin.trim_start_matches("check_"),
            std::iter::once(program.display().to_string()).chain(arguments).collect(),
        ))
    });
    declared.collect()
}

/// Whole processes: each plugin by both ways, and started by this process alone, which neither can undercut.
fn beside_nrpe(
    fleet: &Fleet,
    effort: &Effort,
    report: &mut Report,
    plugins: &[Declared],
) -> Result<(), Error> {
    let folder = fleet.path("checks");
    fs::create_dir(&folder)?;
    let commands = plugins.iter().map(|(name, words)| format!("command[{name}]={}\n", words.join(" ")));
    let nrpe = nrpe::start_checking(&folder, &commands.collect::<String>())?;
    let rounds = effort.shots / 2;
    let mut table = format!(
        "### Plugins\n\n{rounds} rounds in turns, whole processes, wall ms.\n\n\
         | plugin | by itself | `controller check` | `check_nrpe` |\n|---|---|---|---|"
    );
    for (name, words) in plugins {
        let mut alone = Command::new(&words[0]);
        alone.args(&words[1..]);
        let mut theirs = Command::new(nrpe.ask.get_program());
        theirs.args(nrpe.ask.get_args()).args(["-c", name]);
        let shots = in_turns(&mut [alone, fleet.ask_check(name), theirs], rounds)?;
        let (ours, theirs) = (&shots[1], &shots[2]);
        report.compare(
            &format!("`check_nrpe` over `controller check`, both running `check_{name}`"),
            Aim::AtLeast(10.0),
            &ratios(theirs, ours, |shot| shot.wall)?,
            "x",
        );
        let walls: Vec<Samples> =
            shots.iter().map(|shots| numbers(shots, |shot| shot.wall)).collect::<Result<_, _>>()?;
        table += &format!("\n| `check_{name}` | {} | {} | {} |", walls[0], walls[1], walls[2]);
    }
    report.detail(table);
    Ok(())
}

/// Medians of each turn, in microseconds.
fn on_a_connection(fleet: &Fleet, effort: &Effort, report: &mut Report, agent: &Server) -> Result<(), Error> {
    let client = Client::of(fleet, None)?;
    let plain = Batch::of(&Uptime {}, 1)?;
    let check = Batch::of(&Check { name: "true".to_owned(), ..Check::default() }, 1)?;
    let (mut over, mut rows) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for _ in 0..effort.turns {
        let plain = client.load(agent.address, 1, &plain, effort.span)?.micros.median();
        let check = client.load(agent.address, 1, &check, effort.span)?.micros.median();
        let bare = bare(effort.span)?.median();
        over.push((check - plain) / bare);
        for (row, median) in rows.iter_mut().zip([plain, check, bare]) {
            row.push(median);
        }
    }
    let over = Samples::new(over).ok_or("no turns")?;
    let what = format!("a declared `{PROGRAM}`: what it adds to a plain request, over a bare start and wait");
    report.compare(&what, Aim::AtMost(1.2), &over, "x");
    let mut table =
        "### A declared check\n\nOne connection, one request at a time.\n\n| what | p50 µs |\n|---|---|"
            .to_owned();
    for (name, row) in ["`uptime`", "`check true`", "posix_spawn and wait"].into_iter().zip(rows) {
        table += &format!("\n| {name} | {:.0} |", Samples::new(row).ok_or("no turns")?);
    }
    report.detail(table);
    Ok(())
}

/// The least: this process starts the program and waits for it.
fn bare(span: Duration) -> Result<Samples, Error> {
    let mut command = Command::new(PROGRAM);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (began, mut micros) = (Instant::now(), Vec::new());
    while began.elapsed() < span {
        let one = Instant::now();
        command.spawn()?.wait()?;
        micros.push(one.elapsed().as_secs_f64() * 1e6);
    }
    Samples::new(micros).ok_or_else(|| "no rounds".into())
}

fn at_rest(effort: &Effort, report: &mut Report, agent: &Server) -> Result<(), Error> {
    sleep(Duration::from_secs(1));
    let both = [vec![agent.pid()], proc::children(agent.pid())?].concat();
    let each = |count: fn(u32) -> Result<u64, Error>| {
        both.iter().map(|pid| count(*pid)).collect::<Result<Vec<u64>, _>>()
    };
    let shares = each(proc::share_kib)?;
    let all = shares.iter().sum::<u64>() as f64 / 1024.0;
    one(report, "idle agent and its runner, proportional memory (PSS)", Aim::AtMost(8.0), all, " MiB")?;
    let before = each(proc::switches)?;
    sleep(effort.idle);
    let after = each(proc::switches)?;
    let switches: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let what = format!("idle agent and its runner, context switches in {:?}", effort.idle);
    one(report, &what, Aim::AtMost(0.0), switches.iter().sum::<u64>() as f64, "")?;
    report.detail(format!(
        "### An idle agent with a runner\n\nPSS of each, KiB: {shares:?}. Context switches of all threads of each, in {:?}: {switches:?}.",
        effort.idle
    ));
    Ok(())
}
