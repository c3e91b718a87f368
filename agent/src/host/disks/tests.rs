use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::*;

#[tokio::test]
async fn the_root_is_a_disk_with_numbers() {
    let asked = Disks::new();
    let disks = asked.ask().unwrap().list().await;
    let root = disks.iter().find(|disk| disk.mount_point == "/").unwrap();
    let space = root.space.unwrap_or_else(|| panic!("{root:?}"));
    assert!(space.size_bytes >= space.free_bytes && space.free_bytes >= space.available_bytes, "{root:?}");
    assert!(space.size_bytes > 0 && root.problem.is_none(), "{root:?}");
}

#[test]
fn another_file_system_in_its_place_is_not_taken_for_it() {
    let proc = stat("/proc").unwrap().st_dev;
    let at = |device, kind: &str| Mount {
        device,
        point: "/proc".to_owned(),
        kind: kind.to_owned(),
        source: String::new(),
        read_only: false,
    };
    assert!(probe(&at((major(proc), minor(proc)), "ext4")).is_ok());
    assert!(probe(&at((240, 7), "ext4")).unwrap_err().contains("hidden"));
    assert!(probe(&at((240, 7), "btrfs")).is_ok());
    let absent = Mount { point: "/nowhere".to_owned(), ..at((240, 7), "ext4") };
    assert!(probe(&absent).unwrap_err().contains("No such file"));
}

/// Set in the child, which has a mount table of its own.
const IN_CHILD: &str = "HOST_DISKS_FUSE_CHILD";
const NAME: &str = "host::disks::tests::a_file_system_that_never_answers_hangs_nothing";

/// The kernel's real thing: a FUSE file system whose server reads nothing.
#[test]
fn a_file_system_that_never_answers_hangs_nothing() {
    if env::var_os(IN_CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(ask_the_dead());
    }
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || !Path::new("/dev/fuse").exists() {
        // Past the test's capture of its output: a test that did not run must be seen.
        let _ = writeln!(std::io::stderr(), "NOT RUN: {NAME} needs root and /dev/fuse");
        return;
    }
    let child = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && told.contains("1 passed"), "{told}");
}

async fn ask_the_dead() {
    const LIMIT: Duration = Duration::from_millis(500);
    let folder = tempfile::tempdir().unwrap();
    let fuse = File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0\0", fuse.as_raw_fd());
    let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).unwrap();
    mount("dead", folder.path(), "fuse", MountFlags::empty(), options).unwrap();

    // The child's own table: the machine's does not have it.
    let point = folder.path().to_str().unwrap();
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut dead = mounts::of_own_table(&table);
    dead.retain(|mount| mount.point == point || mount.point == "/");
    assert_eq!((dead.len(), dead[1].kind.as_str()), (2, "fuse"), "{dead:?}");

    let prober = Prober::new("disks", LIMIT, Arc::new(probe));
    let since = "has not answered since";
    for (expected, held) in [("did not answer within 0.5 s", 1), (since, 2), (since, 2), (since, 2)] {
        let answers = prober.ask(&dead).answers().await;
        assert!(answers[0].is_ok(), "{answers:?}");
        assert!(answers[1].as_ref().unwrap_err().contains(expected), "{answers:?}");
        assert_eq!(threads(), held, "the one that is held, and one more once it is asked again");
    }

    // The server is gone for good now, and the kernel tells the thread it held.
    drop(fuse);
    let told = async {
        loop {
            let answers = prober.ask(&dead).answers().await;
            let problem = answers[1].as_ref().unwrap_err();
            if !problem.contains("has not answered") {
                break problem.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let told =
        tokio::time::timeout(Duration::from_secs(20), told).await.expect("the thread is held for ever");
    assert!(told.contains("not connected") || told.contains("aborted"), "{told}");
    unmount(folder.path(), UnmountFlags::DETACH).unwrap();
}

/// The prober's among this process's threads.
fn threads() -> usize {
    let names = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path().join("comm"));
    names.filter(|name| fs::read_to_string(name).is_ok_and(|name| name.trim() == "disks")).count()
}
