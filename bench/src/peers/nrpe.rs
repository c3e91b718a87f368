//! `check_nrpe` asking `nrpe` for its version: the cheapest question it knows, with certificates on both sides.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench::Error;
use rustix::process::geteuid;

use super::pki::{Kind, Pki};
use super::{Peer, find};
use crate::server::{Server, free_address};

pub(super) fn start(folder: &Path) -> Result<Peer, Error> {
    start_checking(folder, "")
}

/// The same with checks: with `-c NAME` it is asked for one of them in place of its version.
pub(crate) fn start_checking(folder: &Path, commands: &str) -> Result<Peer, Error> {
    let (ask, serve) = (find("check_nrpe")?, find("nrpe")?);
    let pki = Pki::make(folder, Kind::P256)?;
    let address = free_address()?;
    let port = address.port().to_string();
    // It does not want to be root, and reads its keys before it becomes somebody else.
    let user = if geteuid().is_root() { "nrpe_user=nobody\nnrpe_group=nogroup\n" } else { "" };
    let config = folder.join("nrpe.cfg");
    fs::write(
        &config,
        format!(
            "server_address=127.0.0.1\nserver_port={port}\nallowed_hosts=127.0.0.1\n{user}pid_file={}\n\
             ssl_version=TLSv1.2+\nssl_client_certs=2\nssl_cacert_file={}\nssl_cert_file={}\nssl_privatekey_file={}\n{commands}",
            folder.join("nrpe.pid").display(),
            pki.certificate("ca").display(),
            pki.certificate("server").display(),
            pki.key("server").display(),
        ),
    )?;
    let mut command = Command::new(serve);
    command.arg("-c").arg(&config).arg("-f");
    let server = Server::start(&mut command, address, &folder.join("nrpe.log"))?;
    let mut ask = Command::new(ask);
    ask.args(["-H", "127.0.0.1", "-p", &port, "-A"]).arg(pki.certificate("ca"));
    ask.arg("-C").arg(pki.certificate("client")).arg("-K").arg(pki.key("client"));
    Ok(Peer { what: "`check_nrpe` (version, mutual TLS)", aim: 15.0, ask, _server: server })
}
