//! What machines of a file are called here: a name is a part of a certificate, and has no dots.

use std::collections::HashMap;
use std::net::IpAddr;

use certs::Name;

use super::{Catch, Found, Remark};
use crate::hosts::{Endpoint, Inventory, Machine};

/// What becomes of a file.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) new: Vec<(Name, Machine)>,
    /// How many are known already.
    pub(crate) known: usize,
    /// Those that are called otherwise here, with what the file calls them.
    pub(crate) renamed: Vec<(Name, String)>,
    /// What is not taken, in the order of the file.
    pub(crate) left_out: Vec<Remark>,
    pub(crate) remarks: Vec<Remark>,
}

/// Finds a name for each, and out which are known already: those stay as they are.
///
/// # Errors
/// There is a slip in the list of those that are known.
pub(crate) fn settle(catch: Catch, inventory: &Inventory) -> Result<Import, String> {
    let Catch { found, left_out, remarks, .. } = catch;
    let mut import = Import { new: Vec::new(), known: 0, renamed: Vec::new(), left_out, remarks };
    let mut claims: HashMap<String, usize> = HashMap::new();
    for found in &found {
        *claims.entry(short(&found.name)).or_default() += 1;
    }
    let mut taken: HashMap<Name, (usize, String)> = HashMap::new();
    for found in found {
        let (line, text) = (found.line, found.name.clone());
        let (name, machine) = match understand(found, &claims, &taken) {
            Ok(understood) => understood,
            Err(what) => {
                import.left_out.push(Remark { line, what });
                continue;
            }
        };
        taken.insert(name.clone(), (line, text.clone()));
        match inventory.machine(&name)? {
            Some(known) => import.keep(line, &name, &known, &machine)?,
            None => {
                if text != name.as_str() {
                    import.renamed.push((name.clone(), text));
                }
                import.new.push((name, machine));
            }
        }
    }
    import.left_out.sort_by_key(|remark| remark.line);
    import.remarks.sort_by_key(|remark| remark.line);
    Ok(import)
}

impl Import {
    /// One that is known stays as it is, and where it may be another one, that is said.
    fn keep(&mut self, line: usize, name: &Name, known: &Machine, found: &Machine) -> Result<(), String> {
        self.known += 1;
        let (known, found) = (known.endpoints(name.as_str())?, found.endpoints(name.as_str())?);
        if !found.iter().any(|one| known.iter().any(|other| one.address == other.address)) {
            let at = |endpoints: &[Endpoint]| {
                let all: Vec<String> =
                    endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
                all.join(", ")
            };
            let what = format!(
                "{name} is known already, at {}; it stays as it is, and {} is not taken",
                at(&known),
                at(&found)
            );
            self.remarks.push(Remark { line, what });
        }
        Ok(())
    }
}

/// Its name here, and what is known of it.
fn understand(
    found: Found,
    claims: &HashMap<String, usize>,
    taken: &HashMap<Name, (usize, String)>,
) -> Result<(Name, Machine), String> {
    let text = found.name;
    let is_fit = text.parse::<Name>().is_ok();
    let short = short(&text);
    let wanted = if is_fit || claims.get(&short) == Some(&1) { short } else { long(&text) };
    let shown = text.escape_debug().to_string();
    let name: Name =
        wanted.parse().map_err(|_| format!("`{shown}` is no name, and none can be made of it"))?;
    if let Some((line, other)) = taken.get(&name) {
        let other = other.escape_debug();
        return Err(format!(
            "`{shown}` would be {name} here, as `{other}` in line {line} is; rename one of them"
        ));
    }
    let mut addresses = found.addresses;
    if addresses.is_empty() && !is_fit {
        addresses.push(text);
    }
    let machine =
        Machine { addresses, port: found.port, identity: None, labels: found.labels, groups: found.groups };
    machine.check(name.as_str()).map_err(|fault| format!("`{shown}`: {fault}"))?;
    Ok((name, machine))
}

/// The first label of a DNS name; all of what has none.
fn short(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(_) => long(text),
        Err(_) => long(text.split('.').next().unwrap_or_default()),
    }
}

/// All of it, with what no name holds put right.
fn long(text: &str) -> String {
    text.to_ascii_lowercase().replace(['.', '_', ':'], "-").trim_matches('-').to_owned()
}
