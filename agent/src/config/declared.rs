//! `[check.NAME]` and `[command.NAME]`: what can be started.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use certs::Name;
use protocol::chain::Hash;
use protocol::requests::explain::Sort;
use toml::de::DeValue;

use super::Fault;
use super::table::{Table, count, duration, integer, size, string};
use crate::declared::{
    Declaration, Declarations, Kind, Parameter, Template, User, is_parameter_name, network_cannot_change,
    nobody_else_can_change,
};

const SECOND: Duration = Duration::from_secs(1);

/// What is usual for a check or for a command.
struct Usual {
    timeout: Duration,
    max_output: u64,
}

const CHECK: Usual = Usual { timeout: SECOND.saturating_mul(10), max_output: 64 << 10 };
const COMMAND: Usual = Usual { timeout: SECOND.saturating_mul(60), max_output: 1 << 20 };

/// So many of one kind at the same time, where its owner does not say: a machine has something else to do.
const MAX_RUNNING: usize = 4;

/// Reads both kinds.
pub(super) fn declarations(root: &mut Table<'_, '_>) -> Declarations {
    let mut all = |sort: Sort, usual: &Usual| {
        let each = |name: &str, table: &mut Table<'_, '_>| declaration(name, table, usual);
        root.table(sort.table(), |table| table.tables(each)).unwrap_or_default()
    };
    Declarations { checks: all(Sort::Check, &CHECK), commands: all(Sort::Command, &COMMAND) }
}

/// Makes sure that whoever takes over the process that talks to the network could exchange neither the file nor a program.
pub(super) fn network_can_change_nothing(
    file: &Path,
    declarations: &Declarations,
    writable: &[PathBuf],
) -> Result<(), Vec<Fault>> {
    let fault = |key, message| Fault { file: file.to_owned(), place: None, key, message };
    let mut faults = Vec::new();
    for sort in Sort::ALL {
        for (name, declaration) in declarations.of(sort) {
            if let Err(why) = network_cannot_change(&declaration.program, writable) {
                faults.push(fault(format!("{}.{name}.exec", sort.table()), why));
            }
        }
    }
    if !declarations.is_empty()
        && let Err(why) = network_cannot_change(file, writable)
    {
        faults.push(fault(String::new(), format!("declares what is to be started, and {why}")));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn declaration(name: &str, table: &mut Table<'_, '_>, usual: &Usual) -> Option<Declaration> {
    if let Err(fault) = name.parse::<Name>() {
        table.fault(fault.to_string());
    }
    let exec = table.read("exec", exec);
    let parameters = table.table("parameter", |table| table.tables(parameter)).unwrap_or_default();
    match &exec {
        Some((program, arguments)) => look_at(table, program, arguments, &parameters),
        None if table.knows("exec") => {}
        None => table.fault(
            "it says nothing of what to start: exec = [\"/path/of/program\", \"argument\"]".to_owned(),
        ),
    }
    // A file with any fault is refused as a whole.
    let (program, arguments) = exec.unwrap_or_default();
    Some(Declaration {
        about: table.read("about", |value| string(value).map(str::to_owned)),
        program,
        arguments,
        parameters,
        timeout: table
            .read("timeout", |value| duration(value, SECOND / 10..=SECOND * 86_400))
            .unwrap_or(usual.timeout),
        max_output: table
            .read("max_output", |value| size(value, 1..=1 << 40))
            .map_or(usual.max_output, |bytes| bytes as u64),
        max_running: table.read("max_running", |value| count(value, 1..=1000)).unwrap_or(MAX_RUNNING),
        user: table.read("user", user),
        environment: table.read("env", environment).unwrap_or_default(),
        folder: table.read("folder", folder).unwrap_or_else(|| PathBuf::from("/")),
        sha256: table.read("sha256", hash),
    })
}

fn look_at(
    table: &mut Table<'_, '_>,
    program: &Path,
    arguments: &[Template],
    parameters: &BTreeMap<String, Parameter>,
) {
    // One that is not there yet is told when it is asked for.
    if program.exists()
        && let Err(why) = nobody_else_can_change(program)
    {
        table.fault(why);
    }
    let places: Vec<&str> = arguments.iter().flat_map(Template::names).collect();
    for place in places.iter().filter(|place| !parameters.contains_key(**place)) {
        let path = table.full("parameter");
        table.fault(format!("`exec` has a place for {{{place}}}: say what it may be, in [{path}.{place}]"));
    }
    for unused in parameters.keys().filter(|name| !places.contains(&name.as_str())) {
        table.fault(format!("`exec` has no place for the parameter {{{unused}}}"));
    }
}

fn exec(value: &DeValue<'_>) -> Result<(PathBuf, Vec<Template>), String> {
    let fault = || "this is a list: [\"/path/of/program\", \"argument\", ...]".to_owned();
    let words = value.as_array().ok_or_else(fault)?;
    let words: Vec<&str> = words.iter().map(|word| string(word.get_ref())).collect::<Result<_, _>>()?;
    let (program, arguments) = words.split_first().ok_or_else(fault)?;
    if !Path::new(program).is_absolute() || program.contains('\0') {
        return Err(format!("{program:?} is no absolute path; there is no search path, and no shell"));
    }
    let arguments = arguments.iter().map(|argument| Template::read(argument)).collect::<Result<_, _>>()?;
    Ok((PathBuf::from(program), arguments))
}

fn parameter(name: &str, table: &mut Table<'_, '_>) -> Option<Parameter> {
    if !is_parameter_name(name) {
        table.fault("a parameter's name has a-z, 0-9, _ and -, and begins with a letter".to_owned());
    }
    let kinds = [
        table.read("integer", integers),
        table.read("one_of", |value| strings(value).map(Kind::OneOf)),
        table.read("regex", |value| Kind::text(string(value)?)),
        table.read("beneath", |value| folder(value).map(Kind::Beneath)),
    ];
    let default = table.read("default", |value| match integer(value) {
        Some(number) => Ok(number.to_string()),
        None => string(value).map(str::to_owned),
    });
    let dash = table.read("dash", |value| value.as_bool().ok_or("this is true or false".to_owned()));
    let mut kinds: Vec<Kind> = kinds.into_iter().flatten().collect();
    if kinds.len() != 1 {
        table.fault("say what it may be, with one of: integer, one_of, regex, beneath".to_owned());
        return None;
    }
    let parameter = Parameter { kind: kinds.remove(0), default, dash: dash.unwrap_or_default() };
    if let Some(why) = parameter.fault_of_default() {
        table.fault(format!("its default cannot be: {why}"));
    }
    Some(parameter)
}

fn integers(value: &DeValue<'_>) -> Result<Kind, String> {
    let fault = || "this is the smallest and the largest that it may be: [1, 100]".to_owned();
    let ends = value.as_array().ok_or_else(fault)?;
    let ends: Vec<i64> = ends.iter().filter_map(|end| integer(end.get_ref())).collect();
    match ends[..] {
        [from, to] if from <= to => Ok(Kind::Integer(from, to)),
        _ => Err(fault()),
    }
}

fn strings(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let words = value.as_array().ok_or("this is a list of words: [\"one\", \"other\"]")?;
    if words.is_empty() {
        return Err("with no word in it nothing could be given".to_owned());
    }
    words.iter().map(|word| string(word.get_ref()).map(str::to_owned)).collect()
}

fn folder(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let folder = PathBuf::from(string(value)?);
    if folder.is_absolute() { Ok(folder) } else { Err("this is a folder, from / on".to_owned()) }
}

fn environment(value: &DeValue<'_>) -> Result<BTreeMap<String, String>, String> {
    let table = value.as_table().ok_or("this is a table: { LANG = \"C.UTF-8\" }")?;
    let mut environment = BTreeMap::new();
    for (name, value) in table {
        let (name, value) = (name.get_ref().as_ref(), string(value.get_ref())?);
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(format!("{name:?} cannot be the name or the value of a variable"));
        }
        environment.insert(name.to_owned(), value.to_owned());
    }
    Ok(environment)
}

fn hash(value: &DeValue<'_>) -> Result<Hash, String> {
    let fault = |_| "this is a SHA-256 in hexadecimal, as `sha256sum` prints it".to_owned();
    string(value)?.parse().map_err(fault)
}

/// Users stand in /etc/passwd: whoever runs commands for others does not wait for a directory service.
fn user(value: &DeValue<'_>) -> Result<User, String> {
    const FILE: &str = "/etc/passwd";
    let name = string(value)?;
    let all = fs::read_to_string(FILE).map_err(|error| format!("{FILE} cannot be read: {error}"))?;
    let found = all.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        let numbers = (fields.nth(1)?.parse().ok(), fields.next()?.parse().ok());
        is_it.then_some(numbers)
    });
    let Some((Some(id), Some(group))) = found else { return Err(format!("{FILE} has no user `{name}`")) };
    if id != rustix::process::geteuid().as_raw() && !rustix::process::geteuid().is_root() {
        return Err("only an agent that is started as root can start something as another user".to_owned());
    }
    Ok(User { name: name.to_owned(), id, group })
}
