//! From where root judges and acts: as the agent's own user, who can do less, and whose files they are.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    LinkNameSpaceType, move_into_link_name_space, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::state::State;

/// What cannot be done, and what to do.
type Fault = String;

/// Root becomes whoever owns the folder, for good: what is written there the agent must be able to read, and nothing that
/// lies there can lead root astray. The thread that calls this must be the only one.
///
/// # Errors
/// The system refused it.
pub fn act_as_owner(state: &State) -> Result<(), Fault> {
    become_owner(state, &[])
}

/// Root sees what the agent sees that runs with this folder, with the groups that it has: a unit can hide files from it, and give it
/// groups that no list of users knows of. Then root becomes the owner of the folder. The thread that calls this must be the only one.
///
/// # Errors
/// The system refused it.
pub fn judge_as_agent(state: &State) -> Result<(), Fault> {
    // A lock tells its holder by the folder's number alone, so it may be somebody else's: he must not show root a view of his own.
    let is_its_owners = |agent: &u32| owner(format!("/proc/{agent}")) == owner(state.path());
    let agent = state.holder().filter(is_its_owners).filter(|_| geteuid().is_root());
    let groups = agent.map(groups_of).unwrap_or_default();
    if let Some(agent) = agent {
        let view = File::open(format!("/proc/{agent}/ns/mnt"));
        view.and_then(|view| Ok(move_into_link_name_space(view.as_fd(), Some(LinkNameSpaceType::Mount))?))
            .map_err(|error| format!("cannot see what the agent sees, process {agent}: {error}"))?;
    }
    become_owner(state, &groups)
}

fn owner(path: impl AsRef<Path>) -> Option<u32> {
    fs::metadata(path).ok().map(|found| found.uid())
}

fn groups_of(process: u32) -> Vec<Gid> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    groups.split_whitespace().filter_map(|group| group.parse().ok()).map(Gid::from_raw).collect()
}

fn become_owner(state: &State, groups: &[Gid]) -> Result<(), Fault> {
    let Ok(found) = fs::metadata(state.path()) else { return Ok(()) };
    if !geteuid().is_root() || found.uid() == 0 {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()));
    set_thread_groups(groups)
        .and_then(|()| set_thread_res_gid(group, group, group))
        .and_then(|()| set_thread_res_uid(user, user, user))
        .map_err(|error| {
            format!("cannot become user {}, who owns {}: {error}", found.uid(), state.path().display())
        })
}
