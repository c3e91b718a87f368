//! A cold `ssh HOST uptime`, without PAM, which favours it.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench::Error;
use rustix::process::geteuid;

use super::{Peer, find};
use crate::fleet::run;
use crate::server::{Server, free_address};

/// The folder that sshd enters before it knows its peer; the system's own service makes it when it starts.
const EMPTY: &str = "/run/sshd";

pub(super) fn start(folder: &Path) -> Result<Peer, Error> {
    let (ask, serve, keygen) = (find("ssh")?, find("sshd")?, find("ssh-keygen")?);
    if geteuid().is_root() && !Path::new(EMPTY).is_dir() {
        return Err(format!("sshd needs {EMPTY}; make it with: mkdir {EMPTY}").into());
    }
    for name in ["host", "user"] {
        run(Command::new(&keygen).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(name)))?;
    }
    let address = free_address()?;
    let port = address.port().to_string();
    let host_key = fs::read_to_string(folder.join("host.pub"))?;
    fs::write(folder.join("known"), format!("[127.0.0.1]:{port} {host_key}"))?;
    fs::write(
        folder.join("sshd.conf"),
        format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\nStrictModes no\nUsePAM no\n\
             PidFile {0}/sshd.pid\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxStartups 100\n\
             SetEnv SHLVL=2\n",
            folder.display()
        ),
    )?;
    let mut command = Command::new(serve);
    command.args(["-D", "-e", "-f"]).arg(folder.join("sshd.conf"));
    let server = Server::start(&mut command, address, &folder.join("sshd.log"))?;
    let user = Command::new("id").arg("-un").output()?;
    let mut ask = Command::new(ask);
    ask.args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-p", &port, "-i"])
        .arg(folder.join("user"));
    ask.arg("-o").arg(format!("UserKnownHostsFile={}", folder.join("known").display()));
    ask.arg(format!("{}@127.0.0.1", String::from_utf8_lossy(&user.stdout).trim())).arg("uptime");
    Ok(Peer { what: "cold `ssh` (uptime)", aim: 60.0, ask, _server: server })
}
