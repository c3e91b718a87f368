//! What surrounds `agent run`: a log that waits for nobody, and an ear for signals.

use std::io::{self, IsTerminal};

use agent::log::{self, ForJournal, Lines, Written};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use crate::faults::Faults;

/// The first SIGTERM or SIGINT stops, the second does not wait.
pub(super) fn stop_when_told(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                tracing::warn!("stopped at once, as told twice");
                std::process::exit(1);
            }
            stop.cancel();
        }
    });
    Ok(())
}

pub(super) fn log_to_stderr(level: LevelFilter) -> Result<(Lines, Written), Faults> {
    let (lines, written) =
        log::start(io::stderr()).map_err(|error| vec![format!("cannot start: {error}")])?;
    let writer = lines.clone();
    let plain = tracing_subscriber::fmt().with_target(false).with_max_level(level).log_internal_errors(false);
    if log::is_journal() {
        plain.with_writer(ForJournal(writer)).with_ansi(false).with_level(false).without_time().init();
    } else {
        plain.with_writer(move || writer.clone()).with_ansi(io::stderr().is_terminal()).init();
    }
    // A panic ends one connection and not the agent: its owner should read it among the other lines.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // The message may hold what a peer sent; the place is enough to find the fault.
        tracing::error!(place, "a fault in the agent itself ended a connection; please report it");
    }));
    Ok((lines, written))
}
