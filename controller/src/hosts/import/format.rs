//! Which of the formats a file has: by its name, else by what stands in it.

use std::path::Path;

use clap::ValueEnum;

use super::ini;

/// How a list of machines is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An Ansible inventory in the form of an ini file.
    Ansible,
    /// An Ansible inventory in YAML.
    AnsibleYaml,
    /// The configuration of an ssh client.
    Ssh,
    /// Names, addresses and ranges such as `web[01-20]`, as in `--hosts-file`.
    Plain,
}

impl Format {
    /// The likely one.
    pub(crate) fn guess(file: &Path, text: &str) -> Format {
        let has_name =
            |names: &[&str], of: Option<&std::ffi::OsStr>| names.iter().any(|name| of == Some(name.as_ref()));
        if has_name(&["yml", "yaml", "json"], file.extension()) {
            return Format::AnsibleYaml;
        }
        if has_name(&["ini", "cfg"], file.extension()) {
            return Format::Ansible;
        }
        if has_name(&["ssh_config"], file.file_name())
            || has_name(&[".ssh"], file.parent().and_then(Path::file_name))
        {
            return Format::Ssh;
        }
        let lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        lines.clone().find_map(telling).unwrap_or(Format::Plain)
    }
}

/// The format that a line gives away, if it does.
fn telling(line: &str) -> Option<Format> {
    let word = line.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
    if word.len() < line.len()
        && ["host", "match", "include"].iter().any(|key| word.eq_ignore_ascii_case(key))
    {
        return Some(Format::Ssh);
    }
    if line == "---"
        || line.starts_with('{')
        || line.split(" #").next().is_some_and(|line| line.trim_end().ends_with(':'))
    {
        return Some(Format::AnsibleYaml);
    }
    let has_range = line.split('[').skip(1).any(|part| part.split(']').next().is_some_and(is_range));
    (ini::header(line).is_some() || line.contains('=') || has_range).then_some(Format::Ansible)
}

/// Whether this is what Ansible writes in brackets, which is neither our way nor an address.
fn is_range(inside: &str) -> bool {
    (1..=2).contains(&inside.matches(':').count()) && inside.parse::<std::net::Ipv6Addr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_found_out() {
        for (file, text, format) in [
            ("site.yml", "web-1\n", Format::AnsibleYaml),
            ("hosts.ini", "web-1\n", Format::Ansible),
            ("/root/.ssh/config", "", Format::Ssh),
            ("hosts", "# mine\n\n[web]\nweb-1\n", Format::Ansible),
            ("hosts", "web-1\nweb-2 ansible_host=192.0.2.2\n", Format::Ansible),
            ("hosts", "web[01:20].example.com\n", Format::Ansible),
            ("hosts", "db-[a:f]\n", Format::Ansible),
            ("hosts", "---\nall:\n", Format::AnsibleYaml),
            ("hosts", "all: # of them\n  hosts:\n", Format::AnsibleYaml),
            ("-", "{\"all\": {}}", Format::AnsibleYaml),
            ("-", "ServerAliveInterval 5\nHost web-1\n", Format::Ssh),
            ("-", "host=web-1\n", Format::Ssh),
            ("-", "web-1\nweb[01-20]\n192.0.2.7:7000\n", Format::Plain),
            ("-", "[2001:db8::7]:7000\n[::7]\nhost\n", Format::Plain),
            ("-", "", Format::Plain),
        ] {
            assert_eq!(Format::guess(Path::new(file), text), format, "{file}: {text}");
        }
    }
}
