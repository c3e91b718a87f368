//! The unit, as the package has it, and for a program in another place.

use std::path::Path;

const TEXT: &str = include_str!("../../../packaging/rollcall-agent.service");

/// The configuration that a machine gets first.
pub(super) const CONFIG: &str = include_str!("../../../packaging/agent.toml");

/// The unit for a program in this place.
pub(super) fn text(program: &Path) -> String {
    TEXT.replace("=/usr/bin/agent ", &format!("={} ", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_the_machine() {
        assert_eq!(text(Path::new("/usr/bin/agent")), TEXT);
        let other = text(Path::new("/usr/local/bin/agent"));
        for line in ["ExecStart=/usr/local/bin/agent run", "ExecReload=/usr/local/bin/agent check-config"] {
            assert!(other.lines().any(|found| found == line), "{other}");
        }
        assert!(!other.contains("=/usr/bin/agent"), "{other}");
    }
}
