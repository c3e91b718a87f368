//! `curl` asking `node_exporter` for its smallest page, with certificates on both sides.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench::Error;

use super::pki::{Kind, Pki};
use super::{Peer, find};
use crate::server::{Server, free_address};

pub(super) fn start(folder: &Path) -> Result<Peer, Error> {
    let (ask, serve) = (find("curl")?, find("prometheus-node-exporter").or_else(|_| find("node_exporter"))?);
    let pki = Pki::make(folder, Kind::P256)?;
    let address = free_address()?;
    let config = folder.join("web.yml");
    fs::write(
        &config,
        format!(
            "tls_server_config:\n  cert_file: {}\n  key_file: {}\n  client_ca_file: {}\n  \
             client_auth_type: RequireAndVerifyClientCert\n",
            pki.certificate("server").display(),
            pki.key("server").display(),
            pki.certificate("ca").display(),
        ),
    )?;
    let mut command = Command::new(serve);
    command.arg(format!("--web.listen-address={address}"));
    command.arg(format!("--web.config.file={}", config.display()));
    let server = Server::start(&mut command, address, &folder.join("exporter.log"))?;
    let mut ask = Command::new(ask);
    ask.args(["--silent", "--fail", "--cacert"]).arg(pki.certificate("ca"));
    ask.arg("--cert").arg(pki.certificate("client")).arg("--key").arg(pki.key("client"));
    ask.arg(format!("https://{address}/"));
    Ok(Peer { what: "`curl` to node_exporter (`/`)", aim: 4.0, ask, _server: server })
}
