//! `controller demo`: everything once on this machine, with a real agent over real mutual TLS, and nothing left behind.

use std::net::Ipv4Addr;
use std::path::Path;
use std::{env, io};

use agent::Agent;
use agent::config::Policy;
use certs::Credentials;
use clap::{Args, Parser};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::Cli;
use crate::commands;
use crate::desk::Desk;
use crate::error::Trouble;
use crate::exit::Exit;

/// Show it all on this machine, with an agent of its own; nothing is left behind.
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave the agent running in the foreground, so that the commands can be tried from another terminal.
    #[arg(long)]
    pub keep: bool,
}

/// What is asked, as a person would type it.
const TOUR: [&[&str]; 4] =
    [&["info", "demo"], &["uptime", "demo"], &["time", "demo"], &["echo", "demo", "hello"]];

impl Demo {
    /// Sets up, asks, and cleans up, also when it is interrupted.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let folder = TempDir::with_prefix("rollcall-demo-")
            .map_err(|error| here("make a temporary folder", &error))?;
        tokio::select! {
            done = self.show(desk, folder.path()) => done,
            interrupted = interrupted() => interrupted.map(|()| Exit::Answered),
        }
    }

    async fn show(&self, desk: &Desk, folder: &Path) -> Result<Exit, Trouble> {
        let guide = Guide { desk, folder, paste: self.keep };
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| here("listen", &error))?;
        let address = listener.local_addr().map_err(|error| here("listen", &error))?.to_string();
        let bundle = folder.join("demo.bundle").display().to_string();

        guide.step(&["init"]).await?;
        guide.step(&["issue", "demo", "--address", &address, "--out", &bundle]).await?;
        desk.print(&format!("$ agent run --identity {bundle} --listen {address}\n\n"))?;
        let credentials = Credentials::load(Path::new(&bundle))?;
        let agent = Agent::on(&credentials, vec![listener], Policy::default());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(
            agent.map_err(|error| Trouble::Here(error.to_string(), String::new()))?.serve(stop.clone()),
        );

        for words in TOUR {
            guide.step(words).await?;
        }
        if self.keep {
            desk.print(&format!(
                "The agent is still running, and its home is {}.\n\
                 Try the last four commands in another terminal; Ctrl-C here ends the agent and removes the home.\n",
                guide.home().display()
            ))?;
            std::future::pending::<()>().await;
        }
        stop.cancel();
        let _ = serving.await;
        desk.print(NEXT)?;
        Ok(Exit::Answered)
    }
}

const NEXT: &str = "\
That was a real agent over real mutual TLS. It is stopped, and nothing was left behind. On machines of your own:
  agent run --listen 0.0.0.0:5669      there: it belongs to nobody yet, and waits
  agent code                           there: a one-time code, and what to type at your desk
  controller adopt ADDRESS             at your desk: asks for the code, and makes the machine yours
  controller info NAME                 ask it
";

/// Shows each command, and then does what it says.
struct Guide<'a> {
    desk: &'a Desk,
    folder: &'a Path,
    /// Whether the commands are shown so that they work in another terminal.
    paste: bool,
}

impl Guide<'_> {
    fn home(&self) -> std::path::PathBuf {
        self.folder.join("home")
    }

    async fn step(&self, words: &[&str]) -> Result<(), Trouble> {
        let home = self.home().display().to_string();
        let program = env::current_exe().map(|path| path.display().to_string());
        let shown = match program {
            Ok(program) if self.paste => format!("{program} --home {home}"),
            _ => "controller".to_owned(),
        };
        self.desk.print(&format!("$ {shown} {}\n", words.join(" ")))?;
        let line = [&["controller", "--home", &home], words].concat();
        let cli =
            Cli::try_parse_from(line).map_err(|error| Trouble::Here(error.to_string(), String::new()))?;
        Box::pin(commands::run(cli.verb, &self.desk.with_home(&self.home()))).await?;
        self.desk.print("\n")
    }
}

async fn interrupted() -> Result<(), Trouble> {
    let listen = |kind| signal(kind).map_err(|error| here("listen for signals", &error));
    let (mut interrupt, mut terminate, mut hangup) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

fn here(doing: &str, error: &io::Error) -> Trouble {
    Trouble::Here(format!("cannot {doing}: {error}"), String::new())
}
