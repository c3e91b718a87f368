//! Sockets that the service manager listens on for the agent: it takes them in place of its own.

use std::net::TcpListener as StdListener;

use listenfd::ListenFd;

use crate::c_library::take_variable;

/// Takes the sockets that were handed over; none, when the agent was started in any other way. For the beginning of `main`:
/// it takes the variables that told of them out of the environment.
///
/// # Errors
/// Something else than a listening TCP socket was handed over.
pub fn take() -> Result<Vec<StdListener>, String> {
    let mut handed = ListenFd::from_env();
    take_variable("LISTEN_FDNAMES");
    let all = handed.len();
    let listener = |at| {
        // A runtime takes only what does not make it wait.
        let usable = |listener: &StdListener| listener.set_nonblocking(true).is_ok();
        handed.take_tcp_listener(at).ok().flatten().filter(usable).ok_or_else(|| {
            format!(
                "socket {} of those that the service manager handed over is not a TCP one that listens",
                at + 1
            )
        })
    };
    (0..all).map(listener).collect()
}
