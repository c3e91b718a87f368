//! Ctrl-C leaves nothing behind: no server that runs on, and no folder with keys in it. Values are not dropped when a
//! signal ends a process, so the guards elsewhere do not help then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use bench::Error;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal as Arrivals, SignalKind, signal};

/// For servers to end by themselves.
const GRACE: Duration = Duration::from_millis(500);
/// What shells report for a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// From here on, a signal ends this program's children and removes `folder` before it ends the program. What is returned
/// turns true when that begins: what was measured since then is worth nothing.
///
/// Whatever gets measured is started from that folder or configured in it. So it is moved away first: from then on nothing
/// can be started any more, and what is just starting is caught after the grace.
pub(crate) fn clean_up(folder: &Path) -> Result<Arc<AtomicBool>, Error> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let arrivals = {
        let _inside = runtime.enter();
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]
    };
    let (folder, away) = (folder.to_owned(), folder.with_extension("away"));
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&interrupted);
    spawn(move || {
        wait(&runtime, arrivals);
        told.store(true, Ordering::SeqCst);
        let _ = fs::rename(&folder, &away);
        end_children(Signal::TERM);
        sleep(GRACE);
        end_children(Signal::KILL);
        let _ = fs::remove_dir_all(&away);
        exit(INTERRUPTED)
    });
    Ok(interrupted)
}

fn wait(runtime: &Runtime, [mut interrupt, mut terminate, mut hangup]: [Arrivals; 3]) {
    runtime.block_on(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    });
}

/// The kernel knows whom this program has started, so no list of them can be wrong.
fn end_children(how: Signal) {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.map(|task| -> PathBuf { task.path().join("children") });
    for children in lists.filter_map(|list| fs::read_to_string(list).ok()) {
        let pids = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
        for pid in pids.filter_map(Pid::from_raw) {
            let _ = kill_process(pid, how);
        }
    }
}
