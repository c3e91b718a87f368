//! A fleet of one machine, made with the product's own commands in a folder that its owner removes.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench::Error;

use crate::programs::Programs;
use crate::server::{Server, free_address};

/// What the controller calls the machine.
const NAME: &str = "bench";

/// Room for every connection that a measurement holds.
const LIMITS: &str =
    "[limits]\nconnections = 10000\nconnections_per_identity = 10000\nunverified = 10000\nidle = \"1h\"\n";

/// Identities, and where the agent listens.
pub(crate) struct Fleet {
    pub(crate) programs: Programs,
    folder: PathBuf,
    address: SocketAddr,
}

impl Fleet {
    /// Makes the identities.
    pub(crate) fn make(built: &Programs, folder: &Path) -> Result<Fleet, Error> {
        let folder = folder.to_owned();
        let programs = built.copied_to(&folder.join("bin"))?;
        let fleet = Fleet { programs, folder, address: free_address()? };
        let (address, bundle) = (fleet.address.to_string(), fleet.agent_bundle());
        fs::create_dir(fleet.path("identity"))?;
        run(fleet.controller().args(["--quiet", "init", "--name", "bench"]))?;
        run(fleet.controller().args(["--quiet", "issue", NAME, "--address", &address, "--out"]).arg(bundle))?;
        fs::write(fleet.path("agent.toml"), LIMITS)?;
        Ok(fleet)
    }

    /// For configuration and logs of what is measured.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Who asks.
    pub(crate) fn controller_bundle(&self) -> PathBuf {
        self.path("home/identity.pem")
    }

    /// In a folder of its own: beside its identity an agent may write, and nothing that is declared may lie there.
    fn agent_bundle(&self) -> PathBuf {
        self.path("identity/agent.bundle")
    }

    /// Who may sign.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path("home/authority.pem")
    }

    fn controller(&self) -> Command {
        self.controller_at(&self.path("home"))
    }

    /// The controller, in a home of its own.
    pub(crate) fn controller_at(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.programs.controller);
        command.arg("--home").arg(home);
        command
    }

    /// `controller uptime bench`.
    pub(crate) fn ask_uptime(&self) -> Command {
        let mut command = self.controller();
        command.args(["uptime", NAME]);
        command
    }

    /// `controller check bench NAME`.
    pub(crate) fn ask_check(&self, name: &str) -> Command {
        let mut command = self.controller();
        command.args(["check", NAME, name]);
        command
    }

    /// The same question by the floor.
    pub(crate) fn ask_by_floor(&self) -> Command {
        let mut command = Command::new(&self.programs.floor_oneshot);
        command.arg(self.controller_bundle()).arg(self.address.to_string());
        command
    }

    /// An agent as it comes.
    pub(crate) fn agent(&self) -> Result<Server, Error> {
        self.start_agent(None)
    }

    /// An agent that takes thousands of connections of one identity.
    pub(crate) fn roomy_agent(&self) -> Result<Server, Error> {
        self.start_agent(Some(&self.path("agent.toml")))
    }

    /// An agent whose owner declared this.
    pub(crate) fn agent_declaring(&self, declared: &str) -> Result<Server, Error> {
        let config = self.path("declared.toml");
        fs::write(&config, declared)?;
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644))?;
        self.start_agent(Some(&config))
    }

    fn start_agent(&self, config: Option<&Path>) -> Result<Server, Error> {
        let mut command = Command::new(&self.programs.agent);
        command.args(["run", "--listen", &self.address.to_string(), "--identity"]).arg(self.agent_bundle());
        command.arg("--state").arg(self.path("state"));
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        Server::start(&mut command, self.address, &self.path("agent.log"))
    }

    /// The server that does nothing but echo.
    pub(crate) fn floor_server(&self) -> Result<Server, Error> {
        let address = free_address()?;
        let mut command = Command::new(&self.programs.floor_server);
        command.arg(self.agent_bundle()).arg(address.to_string());
        Server::start(&mut command, address, &self.path("floor.log"))
    }
}

/// Runs a program that must succeed, and says what it said when it did not.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_owned();
    let output = command.output().map_err(|error| format!("{program:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().replace('\n', " / ");
    Err(format!("{program:?} failed ({}): {said}", output.status).into())
}
