//! Keys and certificates for peers that cannot read the product's: an authority, a server, a client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench::Error;

use crate::fleet::run;
use crate::peers::find;

/// The kind of key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    P256,
    /// For a peer whose usual ciphers refuse the other.
    Rsa2048,
}

impl Kind {
    fn words(self) -> &'static [&'static str] {
        match self {
            Kind::P256 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
            Kind::Rsa2048 => &["-newkey", "rsa:2048"],
        }
    }
}

/// Where the files are.
pub(super) struct Pki {
    folder: PathBuf,
}

impl Pki {
    /// Makes them with the OpenSSL command.
    pub(super) fn make(folder: &Path, kind: Kind) -> Result<Pki, Error> {
        let pki = Pki { folder: folder.to_owned() };
        pki.certify("ca", kind, &["-addext", "basicConstraints=critical,CA:TRUE"], false)?;
        pki.certify("server", kind, &["-addext", "subjectAltName=IP:127.0.0.1"], true)?;
        pki.certify("client", kind, &["-addext", "subjectAltName=DNS:client"], true)?;
        Ok(pki)
    }

    fn certify(&self, name: &str, kind: Kind, extensions: &[&str], by_authority: bool) -> Result<(), Error> {
        let config = self.folder.join("openssl.cnf");
        fs::write(&config, "[req]\ndistinguished_name = name\n[name]\n")?;
        let mut command = Command::new(find("openssl")?);
        command.args(["req", "-x509", "-nodes", "-days", "2", "-config"]).arg(config);
        command.args(["-subj", &format!("/CN={name}")]).args(kind.words()).args(extensions);
        command.arg("-keyout").arg(self.key(name)).arg("-out").arg(self.certificate(name));
        if by_authority {
            command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
            command.arg("-CA").arg(self.certificate("ca")).arg("-CAkey").arg(self.key("ca"));
        }
        run(&mut command)
    }

    /// `ca`, `server` or `client`.
    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }

    /// Its key.
    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }
}
