//! `controller adopt`: makes machines that belong to nobody yours, with the one-time code that `agent code` printed there.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use certs::adoption::Code;
use certs::{Grant, Identity, Name, Peer, Signed, Validity};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::adoption::{Applied, prove};
use crate::commands::init::Init;
use crate::desk::Desk;
use crate::error::{Kind, Trouble};
use crate::exit::Exit;
use crate::fleet::{Care, Chosen, Fleet, Which, Words};
use crate::hosts::{Endpoint, Host};
use crate::input;
use crate::office::Office;
use crate::output::Show;
use crate::registry::How;
use crate::span::parse_life;

/// A line with a code in it is not longer.
const MAX_LINE: u64 = 1024;

/// Make a machine yours that waits to be adopted, with the one-time code that `agent code` printed there.
#[derive(Debug, Args)]
#[command(after_help = "The code is asked for, or read from standard input where that is no terminal.")]
pub struct Adopt {
    /// Where the machine is: a DNS name or an address, with :PORT when that is not 5669.
    #[arg(required_unless_present = "file")]
    pub host: Option<String>,
    /// What the machine is to be called [default: HOST where that is a name, else what it calls itself].
    #[arg(long, conflicts_with = "file")]
    pub name: Option<Name>,
    /// A file that holds the code.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub code_file: Option<PathBuf>,
    /// The code itself. Worse than the other ways: other users of this machine can read it while the command runs, and
    /// your shell remembers it.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["file", "code_file"])]
    pub code: Option<Code>,
    /// Adopt many machines: a list with `HOST CODE` or `HOST CODE NAME` on each line; `-` is standard input.
    #[arg(long, value_name = "LIST", conflicts_with = "host")]
    pub file: Option<PathBuf>,
    /// Take the name from a machine that has it already, and make its certificates void.
    #[arg(long)]
    pub replace: bool,
    /// How long the certificate holds.
    #[arg(long = "for", value_name = "TIME", default_value = "90d", value_parser = parse_life)]
    pub life: SignedDuration,
    /// How many are asked.
    #[command(flatten)]
    pub care: Care,
}

const WORDS: Words = Words {
    done: "adopted",
    not_begun: Kind::NotSigned,
    hint: "mend that and adopt it again; nothing was signed, and the code is still good",
};

/// One machine to adopt.
struct Wanted {
    label: String,
    code: Code,
    name: Option<Name>,
}

/// What became of it.
#[derive(Debug, Serialize)]
struct Adopted {
    name: String,
    address: String,
    certificate_ends: Timestamp,
    took_seconds: f64,
}

impl Show for Adopted {
    const SCHEMA: &'static str = "rollcall.adopt/1";
    const SAYS_WHOSE: bool = true;

    fn table(&self, _: &str) -> String {
        let Adopted { name, address, certificate_ends, .. } = self;
        format!("{name} at {address} is yours, until {certificate_ends:.0}\n")
    }
}

impl Adopt {
    /// Adopts, and shows what became of each.
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Trouble> {
        let all = match (&self.file, &self.host) {
            (Some(list), _) => read_list(list)?,
            (None, host) => {
                let label = host.clone().unwrap_or_default();
                vec![Wanted { code: self.one_code(desk, &label)?, label, name: self.name.clone() }]
            }
        };
        if !desk.home.authority_file().exists() && !desk.home.identity_file().exists() {
            Init::usual().make(desk)?;
        }
        let office = Office::open(desk)?;
        match &all[..] {
            [one] if self.file.is_none() => {
                let adopted = self.adopt(one, &office).await?;
                desk.show(&one.label, &adopted)?;
                if desk.is_text() {
                    desk.remark(&format!("Ask it: controller info {}", adopted.name));
                }
                Ok(Exit::Answered)
            }
            many => {
                let labels = many.iter().map(|one| one.label.clone()).collect();
                let chosen = Chosen { labels, is_one: false };
                let wanted: HashMap<&str, &Wanted> =
                    many.iter().map(|one| (one.label.as_str(), one)).collect();
                let fleet = Fleet {
                    desk,
                    which: &Which { care: self.care.clone(), ..Which::default() },
                    words: WORDS,
                };
                fleet.each(&chosen, async |host| self.adopt(wanted[host], &office).await).await
            }
        }
    }

    async fn adopt(&self, wanted: &Wanted, office: &Office<'_>) -> Result<Adopted, Trouble> {
        let began = Instant::now();
        let desk = office.desk;
        let host = office.caller.resolve(&wanted.label)?;
        // Whoever answers is not believed for its name, but for the code.
        let host = Host { expected: None, ..host };
        let approach = office.caller.approach(&host);
        let mut applied = prove(&approach, &host, &wanted.code, desk.timeout).await?;
        let name = choose_name(wanted, &applied)?;
        let signed = self.sign(&host, &name, &applied, office)?;
        let told = applied.belong(&signed.to_text()).await;
        if let Err(refused) = &told
            && matches!(refused.kind, Kind::Refusal(_))
        {
            // Nobody has it, so it shall not keep the name.
            let serial = Peer::read(&signed.certificate)?.serial;
            office.registry.borrow().revoke(office.caller.credentials.revocations(), &[serial])?;
            return Err(refused.clone().into());
        }
        // The agent may have taken the certificate and the answer got lost: what counts is whether it serves now.
        let host = Host { expected: Some(name.clone()), ..host };
        let client = match (office.caller.greet(&host).await, told) {
            (Ok(client), _) => client,
            (Err(_), Err(failure)) => return Err(failure.into()),
            (Err(trouble), Ok(())) => return Err(trouble),
        };
        let greeted = client.greeted();
        Ok(Adopted {
            name: name.to_string(),
            address: greeted.reached.to_string(),
            certificate_ends: greeted.peer.not_after,
            took_seconds: began.elapsed().as_secs_f64(),
        })
    }

    /// The machine is known at this desk before it belongs to it: a crash in between leaves a name too many, and not a
    /// machine that nobody can name.
    fn sign(
        &self,
        host: &Host,
        name: &Name,
        applied: &Applied<'_>,
        office: &Office<'_>,
    ) -> Result<Signed, Trouble> {
        let home = &office.desk.home;
        let identity = Identity::agent(name.clone());
        let known = office.caller.credentials.revocations();
        let of_old = office.registry.borrow().live_of(&identity, known);
        if !of_old.is_empty() && !self.replace {
            let other = match &self.file {
                Some(_) => "write another behind its code",
                None => "choose another with --name",
            };
            let hint = format!("{other}; or, if that machine was set up anew, take the name with --replace");
            return Err(Trouble::Here(format!("there is a machine called {name} already"), hint));
        }
        let inventory = home.inventory_with(name, &host.endpoints, "correct or remove it in")?;
        home.save_inventory(&inventory)?;
        let addresses: Vec<_> = host.endpoints.iter().map(|endpoint| endpoint.address.clone()).collect();
        let validity = Validity::lasting(self.life);
        let grant = Grant { identity: &identity, teams: &[], addresses: &addresses, validity };
        if !of_old.is_empty() {
            office.registry.borrow().revoke(known, &of_old)?;
        }
        office.sign(&applied.request, &grant, How::Adopt)
    }

    fn one_code(&self, desk: &Desk, host: &str) -> Result<Code, Trouble> {
        if let Some(code) = &self.code {
            desk.remark(
                "A code on the command line can be read by other users of this machine, and stays in your shell's \
                 history.\nIt works once, so change nothing; next time leave --code away and type it when asked.",
            );
            return Ok(code.clone());
        }
        let text = match &self.code_file {
            Some(file) => input::text(file).map_err(here)?,
            None => {
                if io::stdin().is_terminal() {
                    let _ = write!(io::stderr(), "The code that `agent code` printed on {host}: ");
                }
                let mut line = String::new();
                let read = io::stdin().lock().take(MAX_LINE).read_line(&mut line);
                read.map_err(|error| here(format!("cannot read the code: {error}")))?;
                line
            }
        };
        if text.trim().is_empty() {
            let hint = "print one on that machine with `agent code`, and type it here when asked";
            return Err(Trouble::Here("no code was given".to_owned(), hint.to_owned()));
        }
        text.parse().map_err(|error| mistyped(&error))
    }
}

fn mistyped(error: &certs::Error) -> Trouble {
    let hint =
        "compare it with what `agent code` printed: five groups of five, with no I, L, O and U in them";
    Trouble::Here(error.to_string(), hint.to_owned())
}

fn here(what: String) -> Trouble {
    Trouble::Here(what, String::new())
}

fn read_list(file: &Path) -> Result<Vec<Wanted>, Trouble> {
    let text = input::text(file).map_err(here)?;
    let mut all: Vec<Wanted> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrong = |fault: &dyn fmt::Display| {
            let what = format!("{}: line {}: {fault}", input::called(file), index + 1);
            Trouble::Here(what, "nobody was adopted; a line is `HOST CODE` or `HOST CODE NAME`".to_owned())
        };
        let line = line.split('#').next().unwrap_or_default();
        let (label, code, name) = match line.split_whitespace().collect::<Vec<_>>()[..] {
            [] => continue,
            [label, code] => (label, code, None),
            [label, code, name] => (label, code, Some(name)),
            _ => return Err(wrong(&"this is not two or three words")),
        };
        if all.iter().any(|wanted| wanted.label == label) {
            return Err(wrong(&format!("{label} stands here twice")));
        }
        all.push(Wanted {
            label: label.to_owned(),
            code: code.parse().map_err(|error: certs::Error| wrong(&error))?,
            name: name.map(str::parse).transpose().map_err(|error: certs::Error| wrong(&error))?,
        });
    }
    if all.is_empty() {
        let what = format!("{} names no machine", input::called(file));
        return Err(Trouble::Here(what, "a line is `HOST CODE` or `HOST CODE NAME`".to_owned()));
    }
    Ok(all)
}

fn choose_name(wanted: &Wanted, applied: &Applied<'_>) -> Result<Name, Trouble> {
    let typed = || {
        let endpoint = wanted.label.parse::<Endpoint>().ok()?;
        endpoint.address.to_string().parse::<Name>().ok()
    };
    let its_own = || {
        let label = applied.host_name.split('.').next().unwrap_or_default();
        label.to_ascii_lowercase().parse::<Name>().ok()
    };
    wanted.name.clone().or_else(typed).or_else(its_own).ok_or_else(|| {
        let what = format!(
            "the machine at {} calls itself {:?}, which cannot be its name here",
            wanted.label, applied.host_name
        );
        Trouble::Here(
            what,
            "choose one with --name; it was not adopted, and the code is still good".to_owned(),
        )
    })
}
