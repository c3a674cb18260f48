//! The id that joins a decision, its outcome, the denial an agent sees and what the operator looks up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A UUIDv7 (RFC 9562): sorts by the time it was made. Made by `platform::sys::clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub uuid::Uuid);

impl RequestId {
    /// Parses the full hyphenated form.
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(Self)
    }

    /// The first 13 characters, `0199c0de-7a31`: what people quote.
    pub fn short(self) -> String {
        let mut text = self.0.hyphenated().to_string();
        text.truncate(13);
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
