//! Landlock: which files are to be had, and that no address is.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    make_bitflags,
};

use super::{Access, Report};

/// The newest that this was tried with. A newer one may forbid more than this agent expects.
const TRIED: ABI = ABI::V7;

/// What came to Landlock one by one, with its number and the kernel that brought it.
const PARTS: [(&str, i32, &str); 5] = [
    ("files", 1, "5.13"),
    ("truncation", 3, "6.2"),
    ("TCP", 4, "6.7"),
    ("devices", 5, "6.10"),
    ("signals", 6, "6.12"),
];

pub(super) fn restrict(access: &Access, report: &mut Report) {
    match restricted(access) {
        Ok(status) => tell(&status, report),
        Err(error) => report.missing.push(format!("files: Landlock failed: {error}")),
    }
}

fn restricted(access: &Access) -> Result<RestrictionStatus, RulesetError> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let write = read | make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile});
    // The agent's addresses are bound already: no port is left that it needs.
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(TRIED))?
        .handle_access(AccessNet::from_all(TRIED))?
        .scope(Scope::from_all(TRIED))?
        .create()?;
    for (paths, rights) in [(&access.reads, read), (&access.writes, write)] {
        for path in paths {
            rules = allow(rules, path, rights)?;
        }
    }
    rules.restrict_self()
}

/// What is not there is not needed.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
    let rights = if path.is_dir() { rights } else { rights & AccessFs::from_file(TRIED) };
    rules.add_rule(PathBeneath::new(opened, rights))
}

fn tell(status: &RestrictionStatus, report: &mut Report) {
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } if status.ruleset != RulesetStatus::NotEnforced => {
            effective_abi as i32
        }
        LandlockStatus::NotEnabled => {
            report
                .missing
                .push("files: Landlock is switched off (`lsm=` on the kernel's command line)".to_owned());
            return;
        }
        _ => 0,
    };
    tell_parts(abi, report);
}

fn tell_parts(abi: i32, report: &mut Report) {
    for (part, since, kernel) in PARTS {
        if abi >= since {
            let version =
                if since == 1 { format!(" (Landlock {})", abi.min(TRIED as i32)) } else { String::new() };
            report.holds.push(format!("{part}{version}"));
        } else {
            let has = if abi == 0 { "no Landlock".to_owned() } else { format!("Landlock {abi}") };
            report
                .missing
                .push(format!("{part}: it has {has}, and this came with {since}, in Linux {kernel}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_lacks_is_named() {
        let told = |abi| {
            let mut report = Report::default();
            tell_parts(abi, &mut report);
            (report.holds.len(), report.missing)
        };
        assert_eq!(told(7), (5, vec![]));
        assert_eq!(told(9).0, 5);
        let (holds, missing) = told(3);
        assert_eq!(holds, 2);
        assert_eq!(missing[0], "TCP: it has Landlock 3, and this came with 4, in Linux 6.7");
        assert_eq!(told(0).0, 0);
        assert_eq!(told(0).1[0], "files: it has no Landlock, and this came with 1, in Linux 5.13");
    }
}
