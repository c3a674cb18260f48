//! How a command ends: the contract's exit codes, and a failure with its sentence and hint.

use std::io;
use std::process::ExitCode;

use crate::operate::api;

/// The end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// The answer is no: denied, invalid, not there.
    No,
    /// Wrong usage that only the command itself can see.
    Usage,
    /// A code of its own: an error of the local API, or sysexits.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Code(code) => code,
        })
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Exit,
    /// One sentence; absent where nobody is left to read it.
    pub message: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with its sentence.
    pub fn new(code: Exit, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), hint: None }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<api::Error> for Failure {
    fn from(error: api::Error) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { code: Exit::Code(error.exit_code()), message: Some(error.to_string()), hint }
    }
}

impl From<io::Error> for Failure {
    /// A reader who has seen enough (`| head`) is no failure: the command ends in silence.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: Exit::Done, message: None, hint: None };
        }
        // EX_IOERR of sysexits.h.
        Self::new(Exit::Code(74), error.to_string())
    }
}
