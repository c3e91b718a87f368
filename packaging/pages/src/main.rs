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

/// What a page of a program ends with.
const ENDS: [(&str, &str); 2] =
    [("agent", include_str!("../agent.end")), ("controller", include_str!("../controller.end"))];

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
    for (command, section) in [(agent::cli::Cli::command(), "8"), (controller::cli::Cli::command(), "1")] {
        let mut command = command.disable_help_subcommand(true);
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
    fs::write(folder.join(format!("{name}.{section}")), page(command, &name, section)?)?;
    let mut verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs.try_for_each(|verb| pages(verb, section, folder))
}

fn page(command: &Command, name: &str, section: &str) -> io::Result<Vec<u8>> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    // Lists of pages show one sentence.
    let first = about.split(". ").next().unwrap_or_default().to_owned();
    let long = command.get_long_about().map_or(about, ToString::to_string);
    let man =
        Man::new(command.clone().about(first).long_about(long)).title(name.to_uppercase()).section(section);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let end = ENDS.iter().find(|(program, _)| *program == name).map_or("", |(_, end)| end);
    text.extend([examples(command).as_str(), end].concat().bytes());
    Ok(text)
}

/// What the help ends with, up to the first empty line.
fn examples(command: &Command) -> String {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let Some(examples) = after.strip_prefix("Examples:\n") else { return String::new() };
    let examples = examples.split("\n\n").next().unwrap_or_default();
    format!(".SH EXAMPLES\n.nf\n{}\n.fi\n", literal(examples))
}

/// Text as it is, for a page.
fn literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    escaped.lines().map(|line| format!("\\&{line}")).collect::<Vec<_>>().join("\n")
}

/// The file that a machine gets says every key: the page shows it as it is.
fn config_page() -> String {
    CONFIG_PAGE.replace("@FILE@", &literal(CONFIG))
}
