//! `zabbix_get` asking `zabbix_agent2` for the uptime, with certificates on both sides.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench::Error;

use super::pki::{Kind, Pki};
use super::{Peer, find};
use crate::server::{Server, free_address};

pub(super) fn start(folder: &Path) -> Result<Peer, Error> {
    let (ask, serve) = (find("zabbix_get")?, find("zabbix_agent2")?);
    // Its usual ciphers refuse the P-256 certificates that the other peers get.
    let pki = Pki::make(folder, Kind::Rsa2048)?;
    let address = free_address()?;
    let port = address.port().to_string();
    let here = folder.display();
    let config = folder.join("agent2.conf");
    fs::write(
        &config,
        format!(
            "Server=127.0.0.1\nListenIP=127.0.0.1\nListenPort={port}\nHostname=bench\nLogType=console\n\
             PidFile={here}/agent2.pid\nControlSocket={here}/agent2.sock\nPluginSocket={here}/plugin.sock\n\
             TLSAccept=cert\nTLSCAFile={}\nTLSCertFile={}\nTLSKeyFile={}\n",
            pki.certificate("ca").display(),
            pki.certificate("server").display(),
            pki.key("server").display(),
        ),
    )?;
    let mut command = Command::new(serve);
    command.arg("-f").arg("-c").arg(&config);
    let server = Server::start(&mut command, address, &folder.join("agent2.log"))?;
    let mut ask = Command::new(ask);
    ask.args(["-s", "127.0.0.1", "-p", &port, "-k", "system.uptime", "--tls-connect", "cert"]);
    ask.arg("--tls-ca-file").arg(pki.certificate("ca"));
    ask.arg("--tls-cert-file").arg(pki.certificate("client")).arg("--tls-key-file").arg(pki.key("client"));
    Ok(Peer { what: "`zabbix_get` (system.uptime, RSA)", aim: 3.0, ask, _server: server })
}
