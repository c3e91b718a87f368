//! What the tests use beside Rust: installed where this is root on a Debian, else named.

use crate::shell::{has, is_root, run, step};

/// A program, and the Debian package that it is in.
const NEEDS: [(&str, &str); 9] = [
    ("cc", "gcc libc6-dev"),
    ("faketime", "faketime"),
    ("strace", "strace"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("systemd-nspawn", "systemd-container"),
    ("debootstrap", "debootstrap"),
    ("mkfs.ext4", "e2fsprogs"),
    ("/usr/lib/nagios/plugins/check_load", "monitoring-plugins-basic"),
];

/// Installs what is missing. Where that is not possible, the tests that need it say so.
pub(crate) fn install() {
    let missing: Vec<&str> = NEEDS
        .iter()
        .filter(|(program, _)| !has(program))
        .flat_map(|(_, packages)| packages.split(' '))
        .collect();
    if missing.is_empty() || !is_root() || !has("apt-get") {
        return;
    }
    step(&format!("for some tests: {}", missing.join(" ")));
    let install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"];
    let _ = run(&["apt-get", "update", "-qq"]);
    let _ = run(&[&install, missing.as_slice()].concat());
}
