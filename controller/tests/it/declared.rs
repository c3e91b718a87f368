//! Declared checks and commands, with the built programs: what runs, what does not, and that nothing of it is left.

mod endings;
mod hostile;
mod load;
mod settings;
mod trees;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::foundling::{Foundling, agent_program};
use crate::site::{Site, controller, not_run, only_for_their_owner, text};

/// A home, and an agent `web-1` of it in processes of its own.
pub(crate) struct Workshop {
    pub(crate) site: Site,
    pub(crate) agent: Foundling,
    pub(crate) config: PathBuf,
}

impl Workshop {
    /// What is declared may use `DIR`, a folder of the test's own.
    pub(crate) fn declaring(declared: &str) -> Workshop {
        Workshop::declaring_under(&[], declared)
    }

    pub(crate) fn declaring_under(wrap: &[&str], declared: &str) -> Workshop {
        let site = Site::new();
        let bundle = bundle_at(&site);
        let state = Rc::new(tempfile::tempdir().unwrap());
        let config = site.path("agent.toml");
        fs::create_dir(bundle.parent().unwrap()).unwrap();
        site.good(&["issue", "web-1", "--address", "127.0.0.1:1", "--out", bundle.to_str().unwrap()]);
        write(&config, &declared.replace("DIR", site.folder.path().to_str().unwrap()));
        let agent = begin(wrap, &state, &config, &bundle, "127.0.0.1:0");
        let hosts = site.home().join("hosts.toml");
        let known = fs::read_to_string(&hosts).unwrap().replace("127.0.0.1:1", &agent.address);
        fs::write(&hosts, known).unwrap();
        Workshop { site, agent, config }
    }

    /// The same, begun once more.
    fn again(self) -> Workshop {
        let Workshop { site, agent, config } = self;
        let (state, bundle, address) = (Rc::clone(&agent.state), bundle_at(&site), agent.address.clone());
        drop(agent);
        let agent = begin(&[], &state, &config, &bundle, &address);
        Workshop { site, agent, config }
    }

    fn said(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.site.run(words);
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// What bash would be told to offer for the last of these words.
    fn offered(&self, words: &[&str]) -> Vec<String> {
        let mut command = controller(&self.site.home(), &[&["--", "controller"], words].concat());
        let command = command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        let offered = text(&command.env("_CLAP_IFS", "\n").output().unwrap().stdout);
        offered.lines().filter(|word| !word.starts_with('-')).map(str::to_owned).collect()
    }

    /// Waits until none of the test's own programs is left, which must be soon.
    fn all_are_gone(&self) -> bool {
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            if left_in(self.site.folder.path()).is_empty() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    pub(crate) fn runner(&self) -> Pid {
        let pid = self.agent.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Pid::from_raw(children.trim().parse().unwrap()).unwrap()
    }
}

/// In a folder of its own: nothing is started that lies where the agent may write.
fn bundle_at(site: &Site) -> PathBuf {
    site.path("identity/web-1.bundle")
}

fn begin(wrap: &[&str], state: &Rc<TempDir>, config: &Path, bundle: &Path, listen: &str) -> Foundling {
    let [config, bundle] = [config, bundle].map(|path| path.to_str().unwrap());
    let flags = ["--listen", listen, "--config", config, "--identity", bundle];
    Foundling::start(state, wrap, &flags).expect("the agent did not begin")
}

/// For its owner alone to write, whatever the umask.
fn write(file: &Path, contents: &str) {
    fs::write(file, contents).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
}

/// A script for the shell that runs as a program.
fn script(file: &Path, contents: &str) {
    write(file, &format!("#!/bin/sh\n{contents}\n"));
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The processes in whose words this folder stands, but for the agent's own.
fn left_in(folder: &Path) -> Vec<String> {
    let words = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&words).replace('\0', " "))
    });
    let marked = format!("{}/", folder.display());
    words
        .filter(|words| words.contains(&marked) && !words.contains("agent ") && !words.contains("agent.toml"))
        .collect()
}

fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}
