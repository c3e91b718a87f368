//! A log that is written, damaged and checked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use protocol::Kind;
use tempfile::TempDir;

use super::*;

fn recording(state: &Path) -> Recording {
    Recording { folder: Some(folder_in(state)), rotate_bytes: 2000, keep: 100, ..Recording::default() }
}

/// Lets an agent write some records and end.
fn write(recording: Recording, events: usize) {
    let audit = Audit::start(recording);
    for at in 0..events {
        audit.note(&Note { event: "test", why: Some(format!("{at}")), ..Note::default() });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let shared = audit.shared.clone().unwrap();
    runtime.block_on(audit.finish());
    // The lock is given back when the thread is gone.
    while Arc::strong_count(&shared) > 2 {
        thread::yield_now();
    }
}

fn verified(state: &Path) -> Result<String, String> {
    verify(state, &[]).map(|whole| whole.to_string()).map_err(|broken| broken.to_string())
}

/// The lines of all files, in order, with the file and the line where each stands.
fn lines(state: &Path) -> Vec<(PathBuf, usize, Vec<u8>)> {
    let mut all = Vec::new();
    for path in folder::all(&folder_in(state)).unwrap() {
        let bytes = fs::read(&path).unwrap();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
        all.extend(lines.map(|(at, line)| (path.clone(), at, line.to_vec())));
    }
    all
}

/// A copy of a log of some files, made once.
fn copy() -> TempDir {
    static LOG: OnceLock<TempDir> = OnceLock::new();
    let made = LOG.get_or_init(|| {
        let made = tempfile::tempdir().unwrap();
        write(recording(made.path()), 20);
        made
    });
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(folder_in(copy.path())).unwrap();
    for path in folder::all(&folder_in(made.path())).unwrap() {
        fs::copy(&path, folder_in(copy.path()).join(path.file_name().unwrap())).unwrap();
    }
    copy
}

/// Writes lines back to the files they are from.
fn put_back(lines: &[(PathBuf, usize, Vec<u8>)]) {
    for (path, ..) in lines {
        let of_file = lines.iter().filter(|(other, ..)| other == path);
        fs::write(path, of_file.flat_map(|(.., line)| line.clone()).collect::<Vec<u8>>()).unwrap();
    }
}

#[test]
fn a_log_goes_on_from_file_to_file_and_from_start_to_start() {
    let state = tempfile::tempdir().unwrap();
    write(recording(state.path()), 20);
    write(recording(state.path()), 20);
    let said = verified(state.path()).unwrap();
    assert!(said.starts_with("whole: records 1 to 40 (40) in "), "{said}");
    let files = folder::all(&folder_in(state.path())).unwrap();
    assert!(files.len() > 3, "{files:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(mode(&folder_in(state.path())) == 0o700 && files.iter().all(|file| mode(file) == 0o600));
}

#[test]
fn old_files_are_deleted_and_it_is_said() {
    let state = tempfile::tempdir().unwrap();
    write(Recording { keep: 2, ..recording(state.path()) }, 40);
    assert_eq!(folder::older(&folder_in(state.path())).unwrap().len(), 2);
    let said = verified(state.path()).unwrap();
    assert!(said.contains(" to 40 (") && said.contains("in 3 files"), "{said}");
    assert!(said.contains("are not there: files past `audit.keep` are deleted"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_is_named_by_file_and_line(line: prop::sample::Index, byte: prop::sample::Index, bit in 0_u8..8) {
        let state = copy();
        let mut lines = lines(state.path());
        let at = line.index(lines.len());
        let byte = byte.index(lines[at].2.len());
        lines[at].2[byte] ^= 1 << bit;
        put_back(&lines);
        let said = verified(state.path()).unwrap_err();
        let place = format!("{}:{}: record {}: ", lines[at].0.display(), lines[at].1 + 1, at + 1);
        prop_assert!(said.starts_with(&place), "{} is not {}", said, place);
        prop_assert!(said.contains("it was changed") || said.contains("it was cut short"), "{}", said);
    }

    #[test]
    fn any_removed_line_is_named(line in 0_usize..19) {
        let state = copy();
        let mut lines = lines(state.path());
        lines.remove(line);
        put_back(&lines);
        let said = verified(state.path()).unwrap_err();
        let flaw = format!("record {}: missing before it: record {}", line + 2, line + 1);
        prop_assert!(said.ends_with(&flaw), "{}", said);
    }

    #[test]
    fn any_two_swapped_lines_are_named(one in 0_usize..19) {
        let state = copy();
        let mut lines = lines(state.path());
        let other = lines[one].2.clone();
        let first = std::mem::replace(&mut lines[one + 1].2, other);
        lines[one].2 = first;
        put_back(&lines);
        let said = verified(state.path()).unwrap_err();
        let flaw = format!("record {}: it stands in the place of record {}", one + 2, one + 1);
        prop_assert!(said.contains(&flaw), "{}", said);
    }

    #[test]
    fn any_line_cut_short_is_named(line in 0_usize..20, left: prop::sample::Index) {
        let state = copy();
        let mut lines = lines(state.path());
        let left = left.index(lines[line].2.len() - 1);
        lines[line].2.truncate(left);
        let was_last = line + 1 == lines.len();
        put_back(&lines);
        match verified(state.path()) {
            // Cut where one ends and another begins, the last of a log leaves no trace: that is what receipts are for.
            Ok(_) => prop_assert!(was_last && left == 0),
            Err(said) => prop_assert!(said.contains(&format!("record {}", line + 1)), "{}", said),
        }
    }
}

#[test]
fn half_a_line_after_a_crash_is_removed_and_that_is_recorded() {
    let state = copy();
    let current = folder::current(&folder_in(state.path()));
    let torn = [&fs::read(&current).unwrap()[..], b"{\"n\":21,\"at\":\"20"].concat();
    fs::write(&current, torn).unwrap();
    let said = verified(state.path()).unwrap_err();
    assert!(said.contains("record 21: it was cut short: 16 bytes without an end; after a crash"), "{said}");
    write(recording(state.path()), 1);
    assert!(verified(state.path()).unwrap().contains("records 1 to 22 "));
    let text = fs::read_to_string(&current).unwrap();
    assert!(text.contains("\"event\":\"log_mended\",\"why\":\"the last line was cut short, as a crash does it; bytes removed: 16\""), "{text}");
}

#[test]
fn a_damaged_last_line_stays_and_the_log_goes_on() {
    let state = copy();
    let mut lines = lines(state.path());
    lines[19].2[20] ^= 1;
    put_back(&lines);
    write(recording(state.path()), 1);
    let said = verified(state.path()).unwrap_err();
    assert!(said.contains("record 20: it was changed"), "{said}");
    let text = fs::read_to_string(folder::current(&folder_in(state.path()))).unwrap();
    assert!(text.contains("{\"n\":21,") && text.contains("the chain begins anew"), "{text}");
}

#[test]
fn a_file_that_is_cut_under_the_agent_leaves_a_gap() {
    let state = tempfile::tempdir().unwrap();
    let audit = Audit::start(Recording { rotate_bytes: 1 << 20, ..recording(state.path()) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let note = || audit.note(&Note { event: "test", ..Note::default() });
    (0..3).for_each(|_| note());
    assert_eq!(runtime.block_on(audit.shared.as_ref().unwrap().written()), Ok(3));
    let current = folder::current(&folder_in(state.path()));
    let text = fs::read_to_string(&current).unwrap();
    fs::write(&current, text.split_inclusive('\n').take(1).collect::<String>()).unwrap();
    note();
    // It tells the first time, and writes when it has opened the file again.
    while runtime.block_on(audit.shared.as_ref().unwrap().written()).is_err() {
        thread::yield_now();
    }
    let said = verified(state.path()).unwrap_err();
    assert!(said.ends_with("current.jsonl:2: record 4: missing before it: records 2 to 3"), "{said}");
    assert!(
        fs::read_to_string(&current)
            .unwrap()
            .contains("somebody else changed this log while the agent was running")
    );
}

#[test]
fn what_finds_no_room_is_counted_and_told_when_it_can_be() {
    let state = tempfile::tempdir().unwrap();
    // A file where the folder should be.
    fs::write(folder_in(state.path()), "").unwrap();
    let audit = Audit::start(Recording { rotate_bytes: 1 << 30, ..recording(state.path()) });
    let trouble = audit.problem().unwrap();
    assert!(trouble.contains("audit: "), "{trouble}");
    let notes = ROOM / 16;
    for _ in 0..notes {
        audit.note(&Note { event: "test", ..Note::default() });
    }
    let trouble = audit.problem().unwrap();
    let (_, lost) = trouble.split_once("; records lost so far: ").unwrap();
    assert!(lost.parse::<usize>().unwrap() > 0, "{lost}");
    fs::remove_file(folder_in(state.path())).unwrap();
    while audit.problem().is_some() {
        thread::yield_now();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(audit.shared.as_ref().unwrap().written()).unwrap();
    let text = fs::read_to_string(folder::current(&folder_in(state.path()))).unwrap();
    // Each is there, or among those that are told to be missing.
    let told: usize = text
        .lines()
        .filter_map(|line| {
            line.split_once("\"event\":\"records_lost\",\"count\":")?
                .1
                .split(',')
                .next()?
                .parse::<usize>()
                .ok()
        })
        .sum();
    let there = text.lines().filter(|line| line.contains("\"event\":\"test\"")).count();
    assert_eq!((there + told, told > 0), (notes, true));
    verified(state.path()).unwrap();
}

#[test]
fn who_must_have_a_record_gets_a_refusal_without_one() {
    let state = tempfile::tempdir().unwrap();
    let at = |when_broken| Audit::start(Recording { when_broken, ..recording(state.path()) });
    assert!(at(WhenBroken::Refuse).gate().is_ok());
    let second = at(WhenBroken::Refuse);
    let refusal = second.gate().unwrap_err();
    assert_eq!(refusal.kind, Kind::NotRecorded);
    assert!(refusal.message.contains("another agent writes there"), "{}", refusal.message);
    assert!(at(WhenBroken::Continue).gate().is_ok());
}
