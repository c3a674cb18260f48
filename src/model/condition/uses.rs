//! Which parts of the world a condition speaks of, and so where on the road it can be judged.
//!
//! Found while the condition is checked. Read next: `catalogue.rs`, which says of each variable what part it is.

/// A part of what can be known of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// Who asks.
    Agent,
    /// The name of the destination.
    DestinationHost,
    /// Address and class of the destination.
    DestinationAddress,
    /// The port of the destination.
    DestinationPort,
    /// The HTTP request.
    Request,
    /// The call of a language model.
    Ai,
    /// The call of a tool.
    Mcp,
    /// What inspection found in the body.
    Dlp,
    /// What the agent has used up.
    Usage,
    /// The moment of the question.
    Time,
}

impl Part {
    /// All parts, in the order in which they become known.
    pub const ALL: [Self; 10] = [
        Self::Agent,
        Self::DestinationHost,
        Self::DestinationAddress,
        Self::DestinationPort,
        Self::Request,
        Self::Ai,
        Self::Mcp,
        Self::Dlp,
        Self::Usage,
        Self::Time,
    ];

    /// How a condition spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::DestinationHost => "destination.host",
            Self::DestinationAddress => "destination.address",
            Self::DestinationPort => "destination.port",
            Self::Request => "request",
            Self::Ai => "ai",
            Self::Mcp => "mcp",
            Self::Dlp => "dlp",
            Self::Usage => "usage",
            Self::Time => "time",
        }
    }

    /// Whether some engine tells it. A condition that names another part can be checked, and has no answer.
    pub fn is_enforced(self) -> bool {
        !matches!(self, Self::Ai | Self::Mcp | Self::Dlp | Self::Usage)
    }
}

/// A set of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uses(u16);

impl Uses {
    /// With one part more.
    #[must_use]
    pub fn with(self, part: Part) -> Self {
        Self(self.0 | 1 << part as u8)
    }

    /// Whether it names that part.
    pub fn has(self, part: Part) -> bool {
        self.0 & 1 << part as u8 != 0
    }

    /// The parts it names.
    pub fn parts(self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(move |part| self.has(*part))
    }

    /// The parts it names that no engine tells yet: a rule that has any is refused at load.
    pub fn not_yet_enforced(self) -> impl Iterator<Item = Part> {
        self.parts().filter(|part| !part.is_enforced())
    }

    /// Whether a connection is enough to judge it, without a request.
    pub fn by_connection(self) -> bool {
        !self.parts().any(|part| matches!(part, Part::Request | Part::Ai | Part::Mcp | Part::Dlp))
    }

    /// Whether the name alone is enough to judge it, as when a name is looked up.
    pub fn by_name(self) -> bool {
        self.by_connection() && !self.has(Part::DestinationAddress) && !self.has(Part::DestinationPort)
    }
}
