//! A list of our own kind: selections, one a line.

use std::borrow::Cow;

use protocol::DEFAULT_PORT;

use super::Catch;
use crate::hosts::Endpoint;
use crate::selection::{self, Known, Last};

/// Who knows nobody: a list that makes machines known cannot refer to those that are.
struct Nobody;

impl Known for Nobody {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    fn group(&self, _: &str) -> Option<Vec<String>> {
        None
    }

    fn groups(&self) -> Vec<String> {
        Vec::new()
    }

    fn last(&self, _: Last) -> Option<Vec<String>> {
        None
    }

    fn label(&self, _: &str, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn label_keys(&self) -> Vec<String> {
        Vec::new()
    }
}

pub(super) fn read(text: &str) -> Result<Catch, String> {
    let mut catch = Catch::default();
    for (index, line) in text.lines().enumerate() {
        for selection in selection::lines(line) {
            match selection::select(&[selection], &Nobody) {
                Ok(names) => take(index + 1, &names, &mut catch)?,
                Err(fault) => catch.leave_out(index + 1, fault.to_string()),
            }
        }
    }
    Ok(catch)
}

/// A line is taken whole or not at all: half of one was probably meant otherwise.
fn take(line: usize, names: &[String], catch: &mut Catch) -> Result<(), String> {
    let endpoint = |name: &String| {
        name.parse::<Endpoint>().map_err(|fault| format!("`{}`: {fault}", name.escape_debug()))
    };
    let endpoints: Vec<Endpoint> = match names.iter().map(endpoint).collect() {
        Ok(endpoints) => endpoints,
        Err(fault) => {
            catch.leave_out(line, fault);
            return Ok(());
        }
    };
    for (name, Endpoint { address, port }) in names.iter().zip(endpoints) {
        let found = catch.meet(line, name)?;
        found.name = address.to_string();
        found.port = Some(port).filter(|port| *port != DEFAULT_PORT);
    }
    Ok(())
}
