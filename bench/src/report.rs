//! What was found: ratios first, then what they are made of, then what is missing.

use std::fmt::Write;

use bench::Error;

use crate::machine::{self, Machine};
use crate::samples::Samples;

/// Two runs of the same program differ by about this much.
const NOISE: f64 = 0.1;

/// What should be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    fn verdict(self, measured: f64) -> &'static str {
        let (reached, nearly) = match self {
            Aim::AtMost(aim) => (measured <= aim, measured <= aim * (1.0 + NOISE)),
            Aim::AtLeast(aim) => (measured >= aim, measured >= aim * (1.0 - NOISE)),
        };
        match (reached, nearly) {
            (true, _) => "met",
            (false, true) => "missed by less than the noise",
            (false, false) => "**missed**",
        }
    }

    fn words(self, unit: &str) -> String {
        match self {
            Aim::AtMost(aim) => format!("≤ {aim}{unit}"),
            Aim::AtLeast(aim) => format!("≥ {aim}{unit}"),
        }
    }
}

/// Grows while measuring; printed at the end.
pub(crate) struct Report {
    machine: Machine,
    quick: bool,
    remarks: Vec<String>,
    ratios: Vec<String>,
    details: Vec<String>,
    missing: Vec<String>,
}

impl Report {
    /// Nothing was measured yet.
    pub(crate) fn new(machine: Machine, quick: bool) -> Report {
        let (remarks, ratios, details, missing) = <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
        Report { machine, quick, remarks, ratios, details, missing }
    }

    /// One line beside its aim. `unit` stands right behind the numbers: `x`, ` KiB`.
    pub(crate) fn compare(&mut self, what: &str, aim: Aim, measured: &Samples, unit: &str) {
        let verdict = aim.verdict(measured.median());
        self.ratios.push(format!("| {what} | {} | {measured}{unit} | {verdict} |", aim.words(unit)));
    }

    /// A paragraph or table behind the ratios.
    pub(crate) fn detail(&mut self, text: String) {
        self.details.push(text);
    }

    /// A line about the run as a whole.
    pub(crate) fn remark(&mut self, text: &str) {
        self.remarks.push(text.to_owned());
    }

    /// Missing numbers must be seen.
    pub(crate) fn not_measured(&mut self, what: &str, why: &str) {
        crate::say(&format!("NOT MEASURED: {what}: {why}"));
        self.missing.push(format!("- **{what}: not measured.** {why}"));
    }

    /// The whole report.
    pub(crate) fn markdown(&self) -> Result<String, Error> {
        let mut out = "# Rollcall beside floors and peers\n\n".to_owned();
        if self.quick {
            out += "**A quick run: it shows that everything works, and its numbers mean little.**\n\n";
        }
        writeln!(out, "Median (min–max). On {}. Loopback only.\n", self.machine.words)?;
        for remark in &self.remarks {
            writeln!(out, "- {remark}")?;
        }
        writeln!(out, "- Load when measuring ended: {}.\n", machine::load()?)?;
        out += "## Ratios\n\n| what | aim | measured | verdict |\n|---|---|---|---|\n";
        out += &self.ratios.join("\n");
        out += "\n\n## What they are made of\n\n";
        out += &self.details.join("\n\n");
        out += "\n\n## What could not be measured\n\n";
        out +=
            &if self.missing.is_empty() { "Nothing is missing.".to_owned() } else { self.missing.join("\n") };
        out.push('\n');
        Ok(out)
    }
}
