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
        let listener = handed.take_tcp_listener(at).ok().flatten();
        // The runtime takes no others, and a service manager's wait.
        listener.filter(|listener| listener.set_nonblocking(true).is_ok()).ok_or_else(|| {
            format!(
                "socket {} of those that the service manager handed over is not a TCP one that listens",
                at + 1
            )
        })
    };
    (0..all).map(listener).collect()
}
