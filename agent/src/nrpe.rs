//! `agent import-nrpe`: the commands of an `nrpe.cfg` as declarations, as far as they need no shell.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::declared::Template;

/// Files that include files that include files: deeper than this, one includes itself.
const DEEPEST: usize = 16;

/// What peers may put in the place of `$ARG1$`, until its owner says it more narrowly.
const ANYTHING_PLAIN: &str = "[A-Za-z0-9._,:/%@+=][A-Za-z0-9._,:/%@+= -]*";

/// All that could be declared, and all that could not.
#[derive(Debug, Default)]
pub struct Imported {
    /// Declarations, for a file in `agent.d`.
    pub declarations: String,
    /// How many there are.
    pub count: usize,
    /// A line for each command that cannot be declared, with the reason.
    pub left_out: Vec<String>,
}

/// What the files say.
#[derive(Debug, Default)]
struct Found {
    /// The name, its command line, and where that stands.
    commands: Vec<(String, String, String)>,
    /// What is included and cannot be read, with the reason.
    unread: Vec<String>,
    prefix: String,
    timeout: Option<u64>,
}

/// Reads the file, and all that it includes.
///
/// # Errors
/// A file cannot be read.
pub fn import(file: &Path) -> Result<Imported, String> {
    let mut found = Found::default();
    let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    found.take(file, &text, 0)?;
    let mut imported = Imported { left_out: found.unread, ..Imported::default() };
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (name, line, place) in &found.commands {
        let line = format!("{} {line}", found.prefix);
        let declared = declare(name, line.trim(), found.timeout, place).and_then(|(name, text)| match names
            .insert(name.clone(), place.clone())
        {
            Some(before) => Err(format!("`{name}` is declared already, from {before}")),
            None => Ok(text),
        });
        match declared {
            Ok(text) => {
                imported.declarations += &text;
                imported.count += 1;
            }
            Err(why) => imported.left_out.push(format!("{place}: command[{name}]: {why}")),
        }
    }
    Ok(imported)
}

impl Found {
    /// As NRPE does: what is not there is told, and the rest counts.
    fn include(&mut self, file: &Path, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("{}: it includes itself", file.display()));
        }
        match fs::read(file) {
            Ok(text) => self.take(file, &text, depth),
            Err(error) => {
                self.unread.push(format!("{}, which is included: {error}", file.display()));
                Ok(())
            }
        }
    }

    fn take(&mut self, file: &Path, text: &[u8], depth: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(text);
        for (number, line) in text.lines().enumerate() {
            let Some((key, value)) =
                line.trim().split_once('=').filter(|_| !line.trim_start().starts_with('#'))
            else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            let command = key.strip_prefix("command[").and_then(|key| key.strip_suffix(']'));
            match (key, command) {
                (_, Some(name)) => {
                    let place = format!("{}:{}", file.display(), number + 1);
                    self.commands.push((name.to_owned(), value.to_owned(), place));
                }
                ("include" | "include_file", _) => self.include(Path::new(value), depth + 1)?,
                ("include_dir", _) => self.read_folder(Path::new(value), depth + 1)?,
                ("command_prefix", _) => value.clone_into(&mut self.prefix),
                ("command_timeout", _) => self.timeout = value.parse().ok().filter(|seconds| *seconds > 0),
                _ => {}
            }
        }
        Ok(())
    }

    /// As NRPE does: files that end in `.cfg`, and folders.
    fn read_folder(&mut self, folder: &Path, depth: usize) -> Result<(), String> {
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => {
                self.unread.push(format!("{}, which is included: {error}", folder.display()));
                return Ok(());
            }
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort_unstable();
        for path in paths {
            if path.is_dir() && depth <= DEEPEST {
                self.read_folder(&path, depth + 1)?;
            } else if path.extension().is_some_and(|end| end == "cfg") {
                self.include(&path, depth)?;
            }
        }
        Ok(())
    }
}

/// The name under which it is declared, and the declaration.
fn declare(name: &str, line: &str, timeout: Option<u64>, place: &str) -> Result<(String, String), String> {
    let declared = name.to_ascii_lowercase().replace(['_', '.', ' '], "-");
    declared.parse::<certs::Name>().map_err(|fault| fault.to_string())?;
    let words = words::split(line)?;
    let program = words.first().ok_or("it starts nothing")?;
    if !program.starts_with('/') {
        return Err(match program.contains('=') {
            true => "it sets a variable: write that as env = { NAME = \"value\" }".to_owned(),
            false => format!("{program:?} is no absolute path, and only a shell has a search path"),
        });
    }
    if gives_rights(program) {
        return Err(format!(
            "{program} gives no rights here, where the service can gain none; docs/operations.md, \"What a job may do\", says what can"
        ));
    }
    if program.contains(['{', '}']) {
        return Err("what it starts must not depend on a value".to_owned());
    }
    let mut text = format!("# {place}\n[check.{declared}]\n");
    let written: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let _ = writeln!(text, "exec = [{}]", written.join(", "));
    let _ = writeln!(text, "timeout = \"{}s\"", timeout.unwrap_or(60));
    let templates = words.iter().map(|word| Template::read(word)).collect::<Result<Vec<_>, _>>()?;
    let parameters: BTreeSet<&str> = templates.iter().flat_map(Template::names).collect();
    for parameter in parameters {
        let _ = writeln!(
            text,
            "[check.{declared}.parameter.{parameter}]\n# Anything could be in it. Say what it may be: integer, one_of, regex or \
             beneath.\nregex = {}",
            quoted(ANYTHING_PLAIN)
        );
    }
    text.push('\n');
    Ok((declared, text))
}

/// What gives its programs rights that the agent's service cannot give.
fn gives_rights(program: &str) -> bool {
    Path::new(program)
        .file_name()
        .is_some_and(|name| ["sudo", "su", "doas", "pkexec"].iter().any(|one| name == *one))
}

/// As TOML writes a string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_shell_is_declared_and_the_rest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("more")).unwrap();
        fs::write(path("more/b.cfg"), "command[b]=/bin/true\n").unwrap();
        fs::write(path("more/c.txt"), "command[c]=/bin/true\n").unwrap();
        let main = path("nrpe.cfg");
        let text = format!(
            "# command[no]=/bin/no\ncommand_timeout=30\ninclude_dir={}\n\
             command[check_load]=/usr/lib/nagios/plugins/check_load -r -w .15,.10,.05 -c .30,.25,.20\n\
             command[CHECK_Disk]=/bin/df \"-w $ARG1$\" -p '$ARG2$'\n\
             command[piped]=/bin/ps ax | wc -l\ncommand[b]=/bin/false\ncommand[rel]=check_x\ncommand[env]=A=b /bin/x\n\
             command[arg]=$ARG1$\ncommand[über]=/bin/x\ninclude=/none.cfg\ninclude_dir=/none.d\n\
             command[root]=/usr/bin/sudo /bin/x\n",
            path("more").display()
        );
        fs::write(&main, text).unwrap();
        let imported = import(&main).unwrap();
        assert_eq!(imported.count, 3);
        let said = imported.left_out.join("\n");
        for why in [
            "needs a shell, for a pipe",
            "declared already",
            "no absolute path",
            "sets a variable",
            "a-z, 0-9",
            "sudo gives no rights here",
            "/none.cfg, which is included: No such file",
            "/none.d, which is included: No such file",
        ] {
            assert!(said.contains(why), "{why}: {said}");
        }
        assert_eq!(imported.left_out.len(), 9, "{said}");
        let declared = &imported.declarations;
        assert!(
            declared.contains(
                r#"[check.check-disk]
exec = ["/bin/df", "-w {arg1}", "-p", "{arg2}"]"#
            ),
            "{declared}"
        );
        assert!(declared.contains("[check.check-load]") && declared.contains("timeout = \"30s\""));

        fs::write(path("loop.cfg"), format!("include={}\n", path("loop.cfg").display())).unwrap();
        assert!(import(&path("loop.cfg")).unwrap_err().contains("includes itself"));
        assert!(import(&path("none.cfg")).is_err());
    }
}
