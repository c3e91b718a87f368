//! What the service manager is told: ready, reading again, stopping, still alive. Where nobody asked, nobody is told.
//!
//! The socket is connected when the agent starts, and kept: a sandbox that is entered later need not know of it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::c_library::take_variable;

/// The way to the service manager.
#[derive(Debug)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// Takes what the service manager said in the environment. For the beginning of `main`: no other thread may run.
    ///
    /// # Errors
    /// It named a socket that nobody answers at: without it the service would never count as started.
    pub fn take() -> Result<Notify, String> {
        let named = take_variable("NOTIFY_SOCKET");
        let (every, whose) = (take_variable("WATCHDOG_USEC"), take_variable("WATCHDOG_PID"));
        let reach = |name: OsString| {
            connect(&name).map_err(|error| format!("NOTIFY_SOCKET={}: {error}", name.display()))
        };
        Ok(Notify { socket: named.map(reach).transpose()?, watchdog: watchdog(every, whose, process::id()) })
    }

    /// All is ready; what is done here stands in `systemctl status`.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// Settings are read again, until [`Notify::ready`].
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1000));
    }

    /// Says that the agent stops, once it does.
    pub async fn stopping(&self, stop: &CancellationToken) {
        stop.cancelled().await;
        self.tell("STOPPING=1\nSTATUS=stops");
    }

    /// Says again and again that the agent is alive. For the thread that serves: if that hangs, nothing is said.
    pub async fn alive(&self) {
        let Some(watchdog) = self.watchdog.filter(|_| self.socket.is_some()) else { return };
        let mut beat = interval(watchdog / 2);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    /// What finds no room is lost: to wait for a service manager that hangs would help nobody.
    fn tell(&self, what: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(what.as_bytes())
        {
            tracing::debug!("the service manager was not told {what:?}: {error}");
        }
    }
}

/// The name is a path, or begins with `@` where it lies in no file system.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', hidden @ ..] => SocketAddr::from_abstract_name(hidden)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How long silence is taken for death; nothing where it is another process that must speak.
fn watchdog(every: Option<OsString>, whose: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    if whose.is_some_and(|whose| number(whose) != Some(u64::from(own))) {
        return None;
    }
    every.and_then(number).filter(|every| *every > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(address: &SocketAddr, name: &str) -> (UnixDatagram, Notify) {
        let manager = UnixDatagram::bind_addr(address).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let socket = connect(OsStr::new(name)).unwrap();
        (manager, Notify { socket: Some(socket), watchdog: Some(Duration::from_millis(20)) })
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 1024];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_path_and_a_name_in_no_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let path = path.to_str().unwrap();
        let hidden = format!("rollcall-test-{}", process::id());
        for (address, name) in [
            (SocketAddr::from_pathname(path).unwrap(), path.to_owned()),
            (SocketAddr::from_abstract_name(&hidden).unwrap(), format!("@{hidden}")),
        ] {
            let (manager, notify) = listening(&address, &name);
            notify.ready("web-1 serves");
            assert_eq!(heard(&manager), "READY=1\nSTATUS=web-1 serves");
            notify.reloading();
            let said = heard(&manager);
            let micros = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(micros.parse::<u64>().unwrap() > 0, "{said}");
        }
        assert!(connect(OsStr::new("/nowhere/at/all")).is_err());
    }

    #[tokio::test]
    async fn life_and_end_are_told() {
        let hidden = format!("rollcall-life-{}", process::id());
        let address = SocketAddr::from_abstract_name(&hidden).unwrap();
        let (manager, notify) = listening(&address, &format!("@{hidden}"));
        let stop = CancellationToken::new();
        let ended = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            stop.cancel();
            notify.stopping(&stop).await;
        };
        tokio::select! {
            () = notify.alive() => panic!("it is never over"),
            () = ended => {}
        }
        assert_eq!(heard(&manager), "WATCHDOG=1");
        assert_eq!(heard(&manager), "WATCHDOG=1");
        while heard(&manager) != "STOPPING=1\nSTATUS=stops" {}
    }

    #[test]
    fn a_watchdog_that_waits_for_another_is_left_alone() {
        let text = |text: &str| Some(OsString::from(text));
        assert_eq!(watchdog(text("30000000"), None, 7), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(text("30000000"), text("7"), 7), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(text("30000000"), text("8"), 7), None);
        assert_eq!(watchdog(text("0"), None, 7), None);
        assert_eq!(watchdog(text("soon"), None, 7), None);
        assert_eq!(watchdog(None, text("7"), 7), None);
    }
}
