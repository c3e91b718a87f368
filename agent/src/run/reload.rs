//! SIGHUP: configuration and identity are read again, all of it or nothing.

use std::sync::Arc;

use agent::Reload;
use agent::cli::Flags;
use agent::config::Config;
use agent::notify::Notify;
use certs::Peer;
use tokio::signal::unix::Signal;

use super::{Serving, fit_to_descriptors, identity, tell_doubts};
use crate::faults::{Faults, lines};

/// All that it takes to read the settings again.
pub(super) struct Again {
    pub(super) flags: Flags,
    pub(super) running: Config,
    pub(super) reload: Reload,
}

/// Beside what is served: files may be slow.
pub(super) fn when_told(mut hangup: Signal, again: Again, notify: Arc<Notify>, serving: Serving) {
    let again = Arc::new(again);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            notify.reloading();
            let applied = read_again(Arc::clone(&again)).await;
            let refused = applied.as_ref().err().and_then(|lines| lines.first());
            let refused =
                refused.map_or_else(String::new, |why| format!("; kept all of the old settings: {why}"));
            tell_what_was_read(&again.running, applied);
            notify.ready(&(serving.words(&again.reload.own()) + &refused));
        }
    });
}

/// With what of it could not be started.
async fn read_again(again: Arc<Again>) -> Result<(Config, Peer, Vec<String>), Faults> {
    let reading = Arc::clone(&again);
    let decide = move || {
        let mut config = Config::decide(&reading.flags).map_err(|faults| lines(&faults))?;
        fit_to_descriptors(&mut config);
        reading.reload.check(&config).map_err(|error| reading.explain(&config, &error))?;
        Ok::<_, Faults>(config)
    };
    let config = aside(decide).await?;
    let unready = again.reload.tell_runner(&config).await?;
    aside(move || {
        let own = again.reload.apply(&config).map_err(|error| again.explain(&config, &error))?;
        Ok((config, own, unready))
    })
    .await
}

impl Again {
    fn explain(&self, config: &Config, error: &agent::Error) -> Faults {
        let elsewhere =
            "the sandbox was made for the files of this start; start the agent again to use others";
        let moved = (config.identity != self.running.identity).then(|| elsewhere.to_owned());
        [error.to_string()].into_iter().chain(moved).collect()
    }
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Faults> + Send + 'static,
) -> Result<T, Faults> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(vec![error.to_string()]))
}

fn tell_what_was_read(running: &Config, applied: Result<(Config, Peer, Vec<String>), Faults>) {
    match applied {
        Ok((config, own, unready)) => {
            tracing::info!("read again: {} until {}", own.identity.name, own.not_after);
            identity::tell_dates(&own);
            tell_doubts(&config, &unready);
            if needs_a_start(&config, running) {
                tracing::warn!("`listen`, `log`, `sandbox` and `[audit]` change with the next start only");
            }
        }
        Err(lines) => {
            for line in lines {
                tracing::error!("kept all of the old settings: {line}");
            }
        }
    }
}

fn needs_a_start(config: &Config, running: &Config) -> bool {
    (config.listen != running.listen)
        || (config.log != running.log)
        || (config.sandbox != running.sandbox)
        || (config.policy.audit != running.policy.audit)
}
