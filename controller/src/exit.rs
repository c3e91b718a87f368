//! Outcomes become exit codes here, and nowhere else.

/// How a run ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every host answered.
    Answered,
    /// Some host refused or failed.
    Refused,
    /// Wrong usage or a broken home: nothing was asked.
    NotAsked,
    /// No host at all could be reached and trusted.
    NotReached,
    /// Ctrl-C, before everybody was asked.
    Interrupted,
    /// What a program on the machine ended with, or what `run` and `check` say in its place.
    Program(i32),
}

impl Exit {
    /// The number.
    pub fn code(self) -> i32 {
        match self {
            Exit::Answered => 0,
            Exit::Refused => 1,
            Exit::NotAsked => 2,
            Exit::NotReached => 3,
            Exit::Interrupted => 130,
            Exit::Program(code) => code,
        }
    }
}
