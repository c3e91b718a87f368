//! The file systems that a person would call disks, from the kernel's mount table.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::source::{self, HostError};

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Mount {
    /// The kernel's number for the file system, major and minor.
    pub(super) device: (u32, u32),
    pub(super) point: String,
    pub(super) kind: String,
    pub(super) source: String,
    pub(super) read_only: bool,
}

/// Whose mount table is read.
#[derive(Clone, Copy)]
enum Table {
    /// The machine's.
    Machine,
    /// The agent's own. In a sandbox it is a made-up one, in which everything is mounted read-only.
    Own,
}

const MACHINE: &str = "/proc/1/mountinfo";
const OWN: &str = "/proc/self/mountinfo";

/// The file systems, by where they are mounted.
pub(super) fn list() -> Result<Vec<Mount>, HostError> {
    match source::text(MACHINE) {
        Ok(text) => Ok(parse(&text, Table::Machine)),
        // Hidden by `hidepid` or a sandbox.
        Err(_) => Ok(parse(&source::text(OWN)?, Table::Own)),
    }
}

/// Where paths lead, on the machine and for the agent: in a sandbox a folder of its own may lie over the machine's.
pub(super) struct Views {
    machine: String,
    own: String,
}

impl Views {
    pub(super) fn read() -> Result<Views, HostError> {
        let own = source::text(OWN)?;
        // Where the machine's is hidden, there is nothing to compare with.
        let machine = source::text(MACHINE).unwrap_or_else(|_| own.clone());
        Ok(Views { machine, own })
    }

    /// Whether a path without links leads to the same place for both.
    pub(super) fn agree_on(&self, path: &Path) -> bool {
        place(&self.machine, path) == place(&self.own, path)
    }

    /// For a test of tables that the machine does not have.
    #[cfg(test)]
    pub(super) fn of(machine: &str, own: &str) -> Views {
        Views { machine: machine.to_owned(), own: own.to_owned() }
    }
}

/// The file system that a path leads to, and the path in it.
fn place(mountinfo: &str, path: &Path) -> Option<((u32, u32), PathBuf)> {
    let lines = mountinfo.lines().filter_map(Line::parse).map(|line| (decode(line.point), line));
    let above = lines.filter(|(point, _)| path.starts_with(point));
    // The last of the longest: what is mounted last at a place is what is seen there.
    let (point, line) = above.max_by_key(|(point, _)| point.len())?;
    Some((line.device, Path::new(&decode(line.root)).join(path.strip_prefix(point).ok()?)))
}

fn parse(mountinfo: &str, table: Table) -> Vec<Mount> {
    // What is mounted last at a place is what is seen there.
    let seen: HashMap<&str, Line<'_>> =
        mountinfo.lines().filter_map(Line::parse).map(|line| (line.point, line)).collect();
    let mut mounts: Vec<Mount> =
        seen.into_values().filter(Line::is_disk).map(|line| line.mount(table)).collect();
    // A file system mounted in several places is one disk; the shortest place is the one people know.
    mounts.sort_by(|a, b| (a.point.len(), &a.point).cmp(&(b.point.len(), &b.point)));
    let mut devices = HashSet::new();
    mounts.retain(|mount| devices.insert(mount.device));
    mounts.sort_by(|a, b| a.point.cmp(&b.point));
    mounts
}

/// A line of the table, as written.
struct Line<'a> {
    device: (u32, u32),
    /// Which folder of the file system is mounted.
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    source: &'a str,
    options: &'a str,
    /// Of the file system itself, wherever it is mounted.
    super_options: &'a str,
}

impl<'a> Line<'a> {
    /// `36 35 98:0 /root /point rw,noatime shared:1 - ext3 /dev/root rw,errors=continue`; between the options and
    /// the dash stand any number of words.
    fn parse(line: &'a str) -> Option<Line<'a>> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(2);
        let mut system = system.split(' ');
        let (major, minor) = mount.next()?.split_once(':')?;
        Some(Line {
            device: (major.parse().ok()?, minor.parse().ok()?),
            root: mount.next()?,
            point: mount.next()?,
            options: mount.next()?,
            kind: system.next()?,
            source: system.next()?,
            super_options: system.next()?,
        })
    }

    fn is_disk(&self) -> bool {
        // A diskless machine's root is a disk to it, whatever its kind.
        self.point == "/" || is_disk_kind(self.kind, self.device.0)
    }

    fn mount(&self, table: Table) -> Mount {
        let read_only = |options: &str| options.split(',').any(|option| option == "ro");
        let read_only = match table {
            Table::Machine => read_only(self.options) || read_only(self.super_options),
            Table::Own => read_only(self.super_options),
        };
        Mount {
            device: self.device,
            point: decode(self.point),
            kind: self.kind.to_owned(),
            source: decode(self.source),
            read_only,
        }
    }
}

/// On a block device, or one of the kinds that keep data without one.
fn is_disk_kind(kind: &str, major: u32) -> bool {
    match kind {
        // A package each, always full.
        "squashfs" => false,
        // Bridges to a desktop's services; no data of their own.
        "fuse.gvfsd-fuse" | "fuse.portal" | "fuse.lxcfs" | "fuse.snapfuse" | "fuse.rofiles-fuse" => false,
        "btrfs" | "bcachefs" | "zfs" | "ubifs" | "virtiofs" | "9p" | "vboxsf" => true,
        "nfs" | "nfs4" | "cifs" | "smb3" | "ceph" | "afs" | "lustre" | "gpfs" | "beegfs" | "orangefs" => true,
        _ => major != 0 || kind == "fuse" || kind.starts_with("fuse."),
    }
}

/// The table writes what would break its columns as a backslash and three octal digits.
fn decode(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_at_checked(3).map(|(digits, rest)| (u8::from_str_radix(digits, 8), rest)) {
            Some((Ok(byte), rest)) if byte.is_ascii() => {
                decoded.push(char::from(byte));
                decoded.push_str(rest);
            }
            _ => {
                decoded.push('\\');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

/// For a test whose mounts the machine does not have.
#[cfg(test)]
pub(super) fn of_own_table(mountinfo: &str) -> Vec<Mount> {
    parse(mountinfo, Table::Own)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server with the usual crowd.
    const TEXT: &str = "\
22 28 0:21 / /proc rw,relatime shared:14 - proc proc rw
24 28 0:6 / /dev rw,nosuid - devtmpfs udev rw,size=12334460k
25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 28 8:2 / /srv/my\\040data ro,noatime shared:2 master:3 - xfs /dev/sdb1 rw
31 28 8:1 /var/lib /bind rw,relatime shared:1 - ext4 /dev/sda1 rw
32 28 7:3 / /snap/core/1 ro - squashfs /dev/loop3 ro
33 28 0:50 / /net rw - autofs /etc/auto.net rw,fd=6
34 28 0:51 / /home rw shared:9 - nfs4 files:/home rw,vers=4.2
35 28 0:52 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw,lowerdir=/a
36 28 0:53 /@ /data rw - btrfs /dev/sdc ro,subvol=/@
37 36 0:53 /@snap /data/snapshots rw - btrfs /dev/sdc ro,subvol=/@snap
38 28 0:54 / /mnt rw - fuse.sshfs user@host: rw,user_id=0
39 28 0:55 / /run/user/1000/gvfs rw - fuse.gvfsd-fuse gvfsd-fuse rw
40 28 0:56 / /auto rw - autofs systemd-1 rw
41 40 8:17 / /auto rw - ext4 /dev/sdb2 rw
";

    fn points(mounts: &[Mount]) -> Vec<&str> {
        mounts.iter().map(|mount| mount.point.as_str()).collect()
    }

    #[test]
    fn real_file_systems_once_each() {
        let mounts = parse(TEXT, Table::Machine);
        assert_eq!(points(&mounts), ["/", "/auto", "/data", "/home", "/mnt", "/srv/my data"]);
        assert_eq!(mounts[0].device, (8, 1));
        assert_eq!(mounts[1].kind, "ext4", "what is mounted over the trigger counts");
        assert_eq!(mounts[3].source, "files:/home");
    }

    #[test]
    fn read_only_by_the_mount_or_by_the_file_system() {
        let read_only = |table| -> Vec<String> {
            parse(TEXT, table).into_iter().filter(|mount| mount.read_only).map(|mount| mount.point).collect()
        };
        assert_eq!(read_only(Table::Machine), ["/data", "/srv/my data"]);
        assert_eq!(read_only(Table::Own), ["/data"], "a sandbox mounts everything read-only for itself");
    }

    #[test]
    fn a_containers_root_is_a_disk() {
        let text = "500 400 0:60 / / rw - overlay overlay rw\n501 500 0:61 / /tmp rw - tmpfs tmpfs rw\n";
        assert_eq!(points(&parse(text, Table::Machine)), ["/"]);
    }

    #[test]
    fn a_folder_that_lies_over_the_machines_leads_elsewhere() {
        let bound = "42 28 8:1 /srv /srv ro - ext4 /dev/sda1 rw\n";
        let private = "43 28 8:1 /tmp/systemd-private/tmp /tmp rw - ext4 /dev/sda1 rw\n";
        let devices = "44 28 0:99 / /dev rw - tmpfs tmpfs rw\n";
        let views = Views::of(TEXT, &format!("{TEXT}{bound}{private}{devices}"));
        for same in ["/", "/srv/www/index", "/srv/my data/x", "/tmpx", "/auto/x", "/bind/x"] {
            assert!(views.agree_on(Path::new(same)), "{same}");
        }
        for other in ["/tmp", "/tmp/x", "/dev/null"] {
            assert!(!views.agree_on(Path::new(other)), "{other}");
        }
        assert_eq!(place(TEXT, Path::new("/bind/x")), Some(((8, 1), "/var/lib/x".into())));
    }

    #[test]
    fn escapes() {
        assert_eq!(decode("/a\\040b\\011c\\134d"), "/a b\tc\\d");
        assert_eq!(decode("/plain"), "/plain");
        assert_eq!(decode("/odd\\9\\777"), "/odd\\9\\777");
    }

    #[test]
    fn odd_lines_are_passed_over() {
        assert!(parse("\n36 35 98:0 / /x rw - \nnonsense - ext4 x rw\n", Table::Machine).is_empty());
    }
}
