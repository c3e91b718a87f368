//! Why something cannot be done, in words for whoever started the program.

use std::io;

use agent::Error;
use agent::config::Fault;
use rustix::process::geteuid;

/// Every reason that something cannot be done, a line each.
pub(crate) type Faults = Vec<String>;

pub(crate) fn lines(faults: &[Fault]) -> Faults {
    faults.iter().map(ToString::to_string).collect()
}

/// And what to do next.
pub(crate) fn cannot_start(error: &Error) -> Faults {
    let hint = match error {
        Error::Identity(error) if error.is_not_found() => {
            "leave --identity away to have this machine adopted. Or at your desk: controller issue NAME --address \
             ADDRESS\n  Carry NAME.bundle here, then: agent run --identity NAME.bundle"
                .to_owned()
        }
        Error::Identity(certs::Error::Io { path, source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            let me = geteuid().as_raw();
            format!("give the file to the user that the agent runs as: chown {me} {}", path.display())
        }
        Error::Identity(_) => "mend that, or issue a new one with `controller issue`".to_owned(),
        Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            "another program listens there, perhaps another agent; choose another with --listen".to_owned()
        }
        Error::Listen { .. } => "choose an address of this machine with --listen".to_owned(),
    };
    vec![format!("cannot start: {error}"), hint]
}
