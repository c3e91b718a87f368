//! Who is logged in: from the classic `/run/utmp`, or where a system keeps none from systemd's list of sessions.

use std::io::ErrorKind;
use std::path::Path;

use jiff::Timestamp;
use protocol::requests::info::User;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::source::{self, HostError};

const UTMP: &str = "/run/utmp";
const SESSIONS: &str = "/run/systemd/sessions";
/// A record of the C library's. On one platform its times have 64 bits.
const RECORD: usize = if cfg!(target_arch = "aarch64") { 400 } else { 384 };
const SECONDS: usize = if cfg!(target_arch = "aarch64") { 344 } else { 340 };
/// The type of a record that is a user's session.
const USER_PROCESS: [u8; 2] = 7_i16.to_ne_bytes();

pub(super) fn list() -> Result<Vec<User>, HostError> {
    if Path::new(UTMP).exists() {
        return Ok(records(&source::bytes(UTMP)?, is_alive));
    }
    sessions(Path::new(SESSIONS))
}

/// A session that was killed leaves its record behind.
fn is_alive(process: i32) -> bool {
    Pid::from_raw(process).is_none_or(|process| test_kill_process(process) != Err(Errno::SRCH))
}

fn records(utmp: &[u8], is_alive: impl Fn(i32) -> bool) -> Vec<User> {
    utmp.chunks_exact(RECORD).filter_map(|record| user(record, &is_alive)).collect()
}

fn user(record: &[u8], is_alive: impl Fn(i32) -> bool) -> Option<User> {
    let process = i32::from_ne_bytes(*record.get(4..)?.first_chunk()?);
    if !record.starts_with(&USER_PROCESS) || !is_alive(process) {
        return None;
    }
    let seconds = i32::from_ne_bytes(*record.get(SECONDS..)?.first_chunk()?);
    Some(User {
        name: text(record, 44, 32)?,
        terminal: text(record, 8, 32),
        // A local screen is written there as `:0`.
        from: text(record, 76, 256).filter(|from| !from.starts_with(':')),
        // Unsigned: the field outlives 2038 that way.
        since: Timestamp::from_second(i64::from(seconds.cast_unsigned())).ok().filter(|_| seconds != 0),
    })
}

/// A field that ends with a zero byte unless it is full.
fn text(record: &[u8], offset: usize, length: usize) -> Option<String> {
    let field = record.get(offset..offset + length)?.split(|byte| *byte == 0).next()?;
    (!field.is_empty()).then(|| String::from_utf8_lossy(field).into_owned())
}

fn sessions(folder: &Path) -> Result<Vec<User>, HostError> {
    let failed = |cause| HostError::new(folder.display().to_string(), cause);
    let mut users = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Beside each session lies a pipe, and opening that would wait for ever.
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        match source::text(entry.path()) {
            Ok(text) => users.extend(session(&text)),
            // It ended a moment ago.
            Err(gone) if gone.kind() == ErrorKind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    users.sort_by(|a, b| (a.since, &a.terminal).cmp(&(b.since, &b.terminal)));
    Ok(users)
}

fn session(text: &str) -> Option<User> {
    let value = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    // Others are login screens and systemd's own; and one that is closing has nobody behind it.
    if value("CLASS")? != "user" || value("STATE").is_some_and(|state| state == "closing") {
        return None;
    }
    let since = value("REALTIME").and_then(|micros| micros.parse().ok());
    Some(User {
        name: value("USER")?,
        terminal: value("TTY"),
        from: value("REMOTE_HOST"),
        since: since.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn record(kind: i16, process: i32, texts: [&str; 3]) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[4..8].copy_from_slice(&process.to_ne_bytes());
        for (offset, text) in [44, 8, 76].into_iter().zip(texts) {
            record[offset..offset + text.len()].copy_from_slice(text.as_bytes());
        }
        record[SECONDS..SECONDS + 4].copy_from_slice(&1_767_225_600_i32.to_ne_bytes());
        record
    }

    #[test]
    fn records_of_living_users() {
        let full = "u".repeat(32);
        let utmp = [
            record(2, 0, ["reboot", "~", "6.1.0"]),
            record(7, 10, ["alice", "pts/0", "192.0.2.7"]),
            record(7, 11, [&full, "tty1", ""]),
            record(7, 12, ["carol", "tty2", ":0"]),
            record(7, 99, ["dead", "pts/9", ""]),
            record(8, 13, ["gone", "pts/1", ""]),
            vec![7; 100],
        ]
        .concat();
        let users = records(&utmp, |process| process != 99);
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["alice", &full, "carol"]);
        assert_eq!(users[0].from.as_deref(), Some("192.0.2.7"));
        assert_eq!(users[0].since, Some("2026-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!((users[1].terminal.as_deref(), &users[1].from), (Some("tty1"), &None));
        assert_eq!(users[2].from, None, "a local screen is not a host");
    }

    #[test]
    fn this_process_is_alive() {
        assert!(is_alive(std::process::id().cast_signed()));
        assert!(!is_alive(i32::MAX));
    }

    const SESSION: &str = "# This is private data. Do not parse.\nUID=1000\nUSER=bob\nACTIVE=1\nSTATE=active\nREMOTE=1\n\
                           TTY=pts/2\nREMOTE_HOST=198.51.100.4\nSERVICE=sshd\nCLASS=user\nREALTIME=1767225600123456\n";

    #[test]
    fn sessions_of_users() {
        let bob = session(SESSION).unwrap();
        assert_eq!((bob.name.as_str(), bob.terminal.as_deref()), ("bob", Some("pts/2")));
        assert_eq!(bob.from.as_deref(), Some("198.51.100.4"));
        assert_eq!(bob.since, Some("2026-01-01T00:00:00.123456Z".parse().unwrap()));
        assert_eq!(session(&SESSION.replace("CLASS=user", "CLASS=manager")), None);
        assert_eq!(session(&SESSION.replace("STATE=active", "STATE=closing")), None);
    }

    #[test]
    fn the_pipe_beside_a_session_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("4"), SESSION).unwrap();
        mknodat(CWD, folder.path().join("4.ref"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(sessions(folder.path()).unwrap().len(), 1);
        assert!(sessions(&folder.path().join("none")).is_err(), "nobody knows is not nobody");
    }
}
