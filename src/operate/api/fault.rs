//! What goes wrong, as the wire carries it: a fault of one call, a diagnostic of one document.
//!
//! Texts follow the house's tone: lower case, values in backticks, and a hint that mends it.

use serde::{Deserialize, Serialize};

/// Why a call of the local API was not done. The HTTP status follows from the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of fault.
    pub code: FaultCode,
    /// What happened, in one sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultCode {
    /// The call itself makes no sense.
    Invalid,
    /// This user may not ask.
    Forbidden,
    /// What was asked for is not there.
    NotFound,
    /// The daemon is at a bound; the same call can succeed later.
    Busy,
    /// The call has to be recorded and could not be, so it was not done.
    AuditUnavailable,
    /// The daemon failed.
    Internal,
}

impl FaultCode {
    /// The HTTP status on the socket.
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Busy | Self::AuditUnavailable => 503,
            Self::Internal => 500,
        }
    }
}

impl Fault {
    /// A fault without a hint.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// [`FaultCode::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Invalid, message)
    }

    /// [`FaultCode::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FaultCode::NotFound, message)
    }

    /// [`FaultCode::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Internal, message)
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// How bad a finding in a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The set does not load.
    #[default]
    Error,
    /// The set loads.
    Warning,
}

/// One finding in one policy document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The file, as the loader names it; absent where no single file is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The whole finding as the loader prints it, with the line shown, without colours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}
