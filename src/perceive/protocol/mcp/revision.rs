//! The revisions of the protocol, and the fields of HTTP that go with them (specification, "Streamable HTTP").

use std::fmt;

/// The field that names the revision; absent before one is agreed on, and in revision 2025-03-26.
pub const REVISION_FIELD: &str = "mcp-protocol-version";
/// The field that repeats the method.
pub const METHOD_FIELD: &str = "mcp-method";
/// The field that repeats the name of the tool or the prompt, or the URI of the resource.
pub const NAME_FIELD: &str = "mcp-name";

/// A revision, by the day it is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// 2024-11-05: made for another transport, agreed on over this one by old servers.
    V2024_11_05,
    /// 2025-03-26: the first of this transport, and the one that is spoken where no field names any. It alone has batches.
    V2025_03_26,
    /// 2025-06-18.
    V2025_06_18,
    /// 2025-11-25: the last with sessions.
    V2025_11_25,
    /// 2026-07-28: no sessions, every request stands for itself and repeats in fields what it is.
    V2026_07_28,
}

impl Revision {
    const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// The one of this name.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str().as_bytes() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether several messages may come in one body.
    pub fn has_batches(self) -> bool {
        self <= Self::V2025_03_26
    }

    /// Whether requests repeat in fields what they are; clients then answer no requests of servers.
    pub fn repeats_itself(self) -> bool {
        self >= Self::V2026_07_28
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
