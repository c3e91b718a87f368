//! Every test there is: cargo's own, then the packages on a machine of their own.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::shell::{Fault, command, say, step};
use crate::suite::{self, Place};
use crate::tally::Tally;

/// What to test.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Everything,
    Packages,
    Chroot,
}

pub(crate) fn run(what: What) -> Result<(), Fault> {
    crate::needs::install();
    let mut tally = Tally::default();
    let built = match what {
        What::Everything => {
            step("cargo test --workspace");
            cargo_test(&mut tally)
        }
        What::Packages | What::Chroot => Ok(()),
    };
    if let Err(fault) = built {
        tally.failed("cargo test", &fault);
    }
    step("the packages, on a machine of their own");
    let place = match what {
        What::Everything | What::Packages => Place::Machine,
        What::Chroot => Place::Chroot,
    };
    suite::run(&mut tally, place);
    tally.close()
}

/// Says what cargo says, and counts. The programs that it leaves in `target/debug` are what goes into the packages.
fn cargo_test(tally: &mut Tally) -> Result<(), Fault> {
    let words = ["sh", "-c", "exec cargo test --workspace --locked --no-fail-fast 2>&1"];
    let mut child = command(&words).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    for line in lines.map_while(Result::ok) {
        say(&line);
        tally.read(&line);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("cargo test ended with {status}")) }
}
