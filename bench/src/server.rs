//! A server that was started for a measurement, and ends with it, also when the measurement fails.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bench::Error;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

const START: Duration = Duration::from_secs(10);
const STOP: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(10);

/// Runs until dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it, and waits until it takes connections. What it writes goes to `log`.
    pub(crate) fn start(command: &mut Command, address: SocketAddr, log: &Path) -> Result<Server, Error> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        let mut server = Server { child, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if server.child.try_wait()?.is_some() || began.elapsed() > START {
                let said = fs::read_to_string(log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(3).collect();
                return Err(format!("{:?} did not start: {}", command.get_program(), last.join(" / ")).into());
            }
            sleep(STEP);
        }
        Ok(server)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Keeps it on one processor, with all its threads. Without that, measurements differ by where the scheduler puts things.
    pub(crate) fn pin(&self, processor: usize) -> Result<(), Error> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let thread: i32 = thread?.file_name().to_string_lossy().parse()?;
            sched_setaffinity(Pid::from_raw(thread), &only(processor))?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < STOP {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(STEP);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps the calling thread on one processor.
pub(crate) fn pin_this_thread(processor: usize) -> Result<(), Error> {
    Ok(sched_setaffinity(None, &only(processor))?)
}

fn only(processor: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(processor);
    set
}

/// An address of this machine on which nothing listens now. Below the ports that the system gives to clients, or a
/// client of ours could take it before the server does; and one peer takes no higher ones.
pub(crate) fn free_address() -> Result<SocketAddr, Error> {
    let first = 20_000 + u16::try_from(std::process::id() % 8_000)?;
    let free = (first..first + 1_000).find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    Ok(free.ok_or("no port is free")?.local_addr()?)
}
