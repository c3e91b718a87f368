//! Writes man pages and completions into a folder: what a person can type is said once, in each program's `cli.rs`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use clap_mangen::Man;

const CONFIG: &str = include_str!("../../agent.toml");
const CONFIG_PAGE: &str = include_str!("../agent.toml.5");

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        let _ = writeln!(io::stderr(), "usage: pages FOLDER");
        return ExitCode::from(2);
    };
    match write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "pages: cannot write to {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (mut command, section) in [(agent::cli::Cli::command(), "8"), (controller::cli::Cli::command(), "1")]
    {
        // Only a built command knows what its verbs are called in full.
        command.build();
        pages(&command, section, folder)?;
        for (shell, name) in [(&Bash as &dyn EnvCompleter, "{}.bash"), (&Zsh, "_{}"), (&Fish, "{}.fish")] {
            let program = command.get_name();
            let mut script = Vec::new();
            shell.write_registration("COMPLETE", program, program, program, &mut script)?;
            fs::write(folder.join(name.replace("{}", program)), script)?;
        }
    }
    fs::write(folder.join("agent.toml.5"), config_page())
}

/// A page for the command, and one for each verb below it.
fn pages(command: &Command, section: &str, folder: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let page = Man::new(command.clone()).title(name.to_uppercase()).section(section);
    let mut text = Vec::new();
    page.render(&mut text)?;
    fs::write(folder.join(format!("{name}.{section}")), text)?;
    let mut verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    verbs.try_for_each(|verb| pages(verb, section, folder))
}

/// The file that a machine gets says every key: the page shows it as it is.
fn config_page() -> String {
    let escaped = CONFIG.replace('\\', "\\e").replace('-', "\\-");
    let lines = escaped.lines().map(|line| format!("\\&{line}\n"));
    CONFIG_PAGE.replace("@FILE@\n", &lines.collect::<String>())
}
