//! `agent selfcheck`: what the sandbox forbids, tried from inside, with the kernel's answers.
//!
//! Each attempt gets through for root without the sandbox, or it would prove nothing; a test does both.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::net::{AddressFamily, SendFlags, SocketType, bind, connect, ipproto, sendto, socket};
use rustix::process::{Pid, Signal, kill_process};

use crate::c_library::forbidden;
use crate::config::Config;
use crate::sandbox::{self, Access, Demand, Report};

const SHELL: &str = "/bin/sh";
const SECRET: &str = "/etc/shadow";
/// Ends when nobody holds the other end of its input.
const VICTIM: &str = "/bin/cat";

/// What came of an attempt.
#[derive(Debug)]
pub enum Answer {
    /// The kernel refused.
    Held(io::Error),
    /// It did not: it went well, or failed for another reason.
    GotThrough(Option<io::Error>),
    /// The machine lacks what would be tried.
    NotTried(&'static str),
}

/// One attempt.
#[derive(Debug)]
pub struct Tried {
    /// What was tried.
    pub what: &'static str,
    /// What came of it.
    pub answer: Answer,
}

/// What attempts are made at; it is laid out before the sandbox.
#[derive(Debug)]
pub struct Targets {
    /// Where somebody listens: that nobody does cannot be taken for the kernel's no.
    address: SocketAddr,
    _listener: TcpListener,
    /// Sockets that are there already, one for each attempt.
    sockets: [OwnedFd; 3],
    /// A file that is there already, under no name.
    file: File,
    victim: Option<Child>,
}

/// What holds, and all that was tried.
#[derive(Debug)]
pub struct Proof {
    report: Report,
    tried: Vec<Tried>,
}

impl Targets {
    /// Lays them out.
    ///
    /// # Errors
    /// The machine has no room for a socket.
    pub fn lay_out() -> io::Result<Targets> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let new_socket = || socket(AddressFamily::INET, SocketType::STREAM, None);
        let victim = Command::new(VICTIM).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Ok(Targets {
            address: listener.local_addr()?,
            _listener: listener,
            sockets: [new_socket()?, new_socket()?, new_socket()?],
            file: nameless()?,
            victim: victim.ok(),
        })
    }

    /// Tries everything, from wherever this is called.
    #[must_use]
    pub fn attempt(&self) -> Vec<Tried> {
        let mut tried = programs();
        tried.extend(self.processes());
        tried.extend(files());
        let rights = Permissions::from_mode(0o4755);
        tried.push(tried_to("make a file that gives rights", self.file.set_permissions(rights)));
        tried.extend(self.network());
        tried.extend([
            tried_to("make a namespace of its own", forbidden::new_namespace()),
            tried_to("load a kernel module", forbidden::load_module()),
            tried_to("make memory that code can run in", forbidden::memory_for_code()),
        ]);
        tried
    }

    fn processes(&self) -> Vec<Tried> {
        const WHAT: [&str; 3] =
            ["trace another process", "read another process's memory", "signal another process"];
        let victim = self.victim.as_ref().map(|victim| (victim.id(), Pid::from_child(victim)));
        let Some((number, victim)) = victim else {
            return WHAT
                .map(|what| Tried { what, answer: Answer::NotTried("there is no /bin/cat to try it at") })
                .into();
        };
        vec![
            tried_to(WHAT[0], forbidden::trace(victim.as_raw_pid())),
            tried_to(WHAT[1], File::open(format!("/proc/{number}/mem")).map(drop)),
            // It does no harm to a process that is not stopped.
            tried_to(WHAT[2], kill_process(victim, Signal::CONT).map_err(io::Error::from)),
        ]
    }

    fn network(&self) -> Vec<Tried> {
        let [connected, sent, bound] = &self.sockets;
        let to_anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        // TCP can connect by the first bytes that it sends.
        let fast_open = SendFlags::from_bits_retain(libc::MSG_FASTOPEN.unsigned_abs());
        let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP));
        vec![
            tried_to("open a connection", TcpStream::connect(self.address).map(drop)),
            tried_to(
                "connect a socket from before",
                connect(connected, &self.address).map_err(io::Error::from),
            ),
            tried_to(
                "connect it by sending",
                sendto(sent, b"x", fast_open, &self.address).map(drop).map_err(io::Error::from),
            ),
            tried_to("listen on another port", bind(bound, &to_anywhere).map_err(io::Error::from)),
            tried_to("open a raw socket", raw.map(drop).map_err(io::Error::from)),
            tried_to("send to a socket by its name", UnixDatagram::unbound().map(drop)),
        ]
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        if let Some(mut victim) = self.victim.take() {
            drop(victim.stdin.take());
            let _ = victim.wait();
        }
    }
}

fn nameless() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("rollcall-selfcheck-{}", std::process::id()));
    let file = File::create_new(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn programs() -> Vec<Tried> {
    let shell = match Path::new(SHELL).exists() {
        true => answer(Command::new(SHELL).args(["-c", "exit 0"]).status().map(drop)),
        false => Answer::NotTried("there is no /bin/sh"),
    };
    vec![Tried { what: "start a shell", answer: shell }, tried_to("begin another process", forbidden::fork())]
}

fn files() -> Vec<Tried> {
    let secret = match Path::new(SECRET).exists() {
        true => answer(File::open(SECRET).map(drop)),
        false => Answer::NotTried("there is no such file"),
    };
    vec![
        Tried { what: "read /etc/shadow", answer: secret },
        tried_to("write into /etc", written_in(Path::new("/etc"))),
        tried_to("write into /tmp", written_in(Path::new("/tmp"))),
    ]
}

/// A new file, removed again.
fn written_in(folder: &Path) -> io::Result<()> {
    let file = folder.join(format!(".rollcall-selfcheck-{}", std::process::id()));
    File::create_new(&file)?;
    fs::remove_file(file)
}

fn tried_to(what: &'static str, done: io::Result<()>) -> Tried {
    Tried { what, answer: answer(done) }
}

/// Only a kernel's no counts as one: whatever else went wrong might go right another time.
fn answer(done: io::Result<()>) -> Answer {
    match done {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Answer::Held(error),
        done => Answer::GotThrough(done.err()),
    }
}

impl Proof {
    /// Enters the sandbox of an agent with this configuration, for ever, and tries.
    ///
    /// # Errors
    /// There was nothing to try with.
    pub fn of(config: &Config) -> io::Result<Proof> {
        let targets = Targets::lay_out()?;
        let report = sandbox::enter(&Access::of(config));
        Ok(Proof { report, tried: targets.attempt() })
    }

    /// What this proves to be wrong.
    ///
    /// # Errors
    /// Something got through, or a part is missing where all are required.
    pub fn faults(&self, demand: Demand) -> Result<(), Vec<String>> {
        let through = self.tried.iter().filter(|tried| matches!(tried.answer, Answer::GotThrough(_))).count();
        if through > 0 {
            return Err(vec![format!("the sandbox does not hold: attempts that got through: {through}")]);
        }
        self.report.satisfies(demand)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.report)?;
        self.tried.iter().try_for_each(|tried| writeln!(f, "{tried}"))
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (said, verdict) = match &self.answer {
            Answer::Held(error) => (in_words(error), "held"),
            Answer::GotThrough(None) => ("it was done".to_owned(), "GOT THROUGH"),
            Answer::GotThrough(Some(error)) => (in_words(error), "GOT THROUGH"),
            Answer::NotTried(why) => ((*why).to_owned(), "not tried"),
        };
        write!(f, "{:<34}{said:<40}{verdict}", self.what)
    }
}

/// With the names that manuals use for the two that count.
fn in_words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "Operation not permitted (EPERM)".to_owned(),
        Some(libc::EACCES) => "Permission denied (EACCES)".to_owned(),
        _ => error.to_string(),
    }
}
