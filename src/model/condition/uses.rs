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

    /// Whether it is known once what a request carries was read, and no earlier.
    pub fn is_of_content(self) -> bool {
        matches!(self, Self::Ai | Self::Mcp | Self::Dlp)
    }

    /// Whether some requests have it and others have not.
    pub fn is_of_some(self) -> bool {
        matches!(self, Self::Ai | Self::Mcp)
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

    /// With all parts of another set.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those of them that are known once what a request carries was read.
    #[must_use]
    pub fn of_content(self) -> Self {
        self.parts().filter(|part| part.is_of_content()).fold(Self::default(), Self::with)
    }

    /// Whether it names nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it names that part.
    pub fn has(self, part: Part) -> bool {
        self.0 & 1 << part as u8 != 0
    }

    /// The parts it names.
    pub fn parts(self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(move |part| self.has(*part))
    }

    /// Whether a connection is enough to judge it, without a request.
    pub fn by_connection(self) -> bool {
        !self.parts().any(|part| part == Part::Request || part.is_of_content())
    }

    /// Whether the name alone is enough to judge it, as when a name is looked up.
    pub fn by_name(self) -> bool {
        self.by_connection() && !self.has(Part::DestinationAddress) && !self.has(Part::DestinationPort)
    }
}
