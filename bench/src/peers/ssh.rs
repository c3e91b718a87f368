//! A cold `ssh HOST uptime`, without PAM, which favours it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use bench::Error;
use rustix::process::geteuid;

use super::{Peer, find};
use crate::fleet::run;
use crate::server::{Server, free_address};

/// The folder that sshd enters before it knows its peer; the system's own service makes it when it starts.
const EMPTY: &str = "/run/sshd";

/// A server, and what its clients have to know.
pub(crate) struct Sshd {
    /// For any program that starts ssh.
    pub(crate) options: Vec<String>,
    server: Server,
}

impl Sshd {
    /// Starts one at this address, or at all that this machine has.
    pub(crate) fn start(folder: &Path, at: Ipv4Addr) -> Result<Sshd, Error> {
        let (serve, keygen) = (find("sshd")?, find("ssh-keygen")?);
        if geteuid().is_root() && !Path::new(EMPTY).is_dir() {
            return Err(format!("sshd needs {EMPTY}; make it with: mkdir {EMPTY}").into());
        }
        for name in ["host", "user"] {
            run(Command::new(&keygen).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(name)))?;
        }
        let address = free_address()?;
        let port = address.port();
        let host_key = fs::read_to_string(folder.join("host.pub"))?;
        fs::write(folder.join("known"), format!("[127.*]:{port} {host_key}"))?;
        fs::write(folder.join("sshd.conf"), configuration(SocketAddr::new(IpAddr::V4(at), port), folder))?;
        let mut command = Command::new(serve);
        command.args(["-D", "-e", "-f"]).arg(folder.join("sshd.conf"));
        let server = Server::start(&mut command, address, &folder.join("sshd.log"))?;
        let files = format!("-i {0}/user -o UserKnownHostsFile={0}/known -p {port}", folder.display());
        let options = format!("-F none -o BatchMode=yes -o IdentitiesOnly=yes {files}");
        Ok(Sshd { options: options.split(' ').map(str::to_owned).collect(), server })
    }
}

fn configuration(at: SocketAddr, folder: &Path) -> String {
    format!(
        "ListenAddress {at}\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nStrictModes no\nUsePAM no\n\
         PidFile {0}/sshd.pid\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxStartups 100\n\
         SetEnv SHLVL=2\n",
        folder.display()
    )
}

pub(super) fn start(folder: &Path) -> Result<Peer, Error> {
    let (program, sshd) = (find("ssh")?, Sshd::start(folder, Ipv4Addr::LOCALHOST)?);
    let user = Command::new("id").arg("-un").output()?;
    let mut ask = Command::new(program);
    ask.args(&sshd.options);
    ask.arg(format!("{}@127.0.0.1", String::from_utf8_lossy(&user.stdout).trim())).arg("uptime");
    Ok(Peer { what: "cold `ssh` (uptime)", aim: 60.0, ask, _server: sshd.server })
}
