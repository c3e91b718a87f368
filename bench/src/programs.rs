//! The programs to measure, built as everybody builds them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use bench::Error;

/// A floor is built for speed, whatever the product is built for: one that follows the product's settings would grow
/// slower with it, and the ratio would hide what they cost. These stand above the ones in the workspace's manifest.
const FIXED: [&str; 4] = [
    "--config",
    r#"profile.release.package."*".opt-level=3"#,
    "--config",
    // Above `.cargo/config.toml`: with all tables.
    "env.AWS_LC_SYS_SMALL='0'",
];

/// The least that each piece of work can cost, and what simulates a fleet.
const FLOORS: [&str; 4] = ["floor-oneshot", "floor-server", "floor-fanout", "fleet-sim"];

/// Where each program is.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) agent: PathBuf,
    pub(crate) controller: PathBuf,
    pub(crate) floor_oneshot: PathBuf,
    pub(crate) floor_server: PathBuf,
    pub(crate) floor_fanout: PathBuf,
    pub(crate) fleet_sim: PathBuf,
}

impl Programs {
    /// Builds them where this program itself was built to.
    pub(crate) fn build() -> Result<Programs, Error> {
        cargo(&["build", "--release", "--bin", "agent", "--bin", "controller"])?;
        let own = env::current_exe()?;
        let folder = own.parent().ok_or("this program has no folder")?;
        // In a folder of their own, where nothing is built anew because somebody else has other settings.
        let apart = folder.join("floors");
        let target = apart.to_str().ok_or("this folder's name is no text")?;
        let bins = FLOORS.iter().flat_map(|floor| ["--bin", floor]);
        let build = ["build", "--release", "-p", "bench", "--target-dir", target].into_iter();
        cargo(&build.chain(bins).chain(FIXED).collect::<Vec<_>>())?;
        for floor in FLOORS {
            fs::copy(apart.join("release").join(floor), folder.join(floor))?;
        }
        Programs::found_in(folder)
    }

    /// The same programs in one folder, all written the same way at the same time. How a file lies in the page cache
    /// decides how many page faults its program takes: the same bytes in two files were found to differ by 6 % in
    /// processor time, and no number of rounds evens that out.
    pub(crate) fn copied_to(&self, folder: &Path) -> Result<Programs, Error> {
        fs::create_dir(folder)?;
        let Programs { agent, controller, floor_oneshot, floor_server, floor_fanout, fleet_sim } = self;
        for program in [agent, controller, floor_oneshot, floor_server, floor_fanout, fleet_sim] {
            fs::copy(program, folder.join(program.file_name().ok_or("a program has no name")?))?;
        }
        Programs::found_in(folder)
    }

    /// Takes them as they are.
    pub(crate) fn found_in(folder: &Path) -> Result<Programs, Error> {
        let find = |name: &str| {
            let path = folder.join(name);
            if path.is_file() { Ok(path) } else { Err(format!("there is no {}", path.display())) }
        };
        Ok(Programs {
            agent: find("agent")?,
            controller: find("controller")?,
            floor_oneshot: find("floor-oneshot")?,
            floor_server: find("floor-server")?,
            floor_fanout: find("floor-fanout")?,
            fleet_sim: find("fleet-sim")?,
        })
    }
}

/// From the workspace's folder: the build settings in `.cargo` are read from where cargo is started.
fn cargo(arguments: &[&str]) -> Result<(), Error> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from(env!("CARGO")));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("this package has no workspace")?;
    let status = Command::new(cargo).args(arguments).current_dir(root).status()?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", arguments.join(" ")).into()) }
}
