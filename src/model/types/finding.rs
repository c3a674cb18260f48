//! What inspection may find, and what may become of it: words that documents, conditions and records share.

use super::budget::Direction;

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FindingClass {
    /// Passwords, connection strings and other secret values without a service's format.
    Secrets,
    /// Credentials of known services, and private keys.
    Keys,
    /// What identifies a person.
    Pii,
    /// What is known of a person's health.
    Phi,
    /// What stands in for a secret that the agent does not hold.
    Placeholder,
    /// What a document describes.
    Custom,
}

impl FindingClass {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Secrets, Self::Keys, Self::Pii, Self::Phi, Self::Placeholder, Self::Custom];

    /// Their words in documents and conditions, in the order of the classes.
    pub const WORDS: &'static [&'static str] = &["secrets", "keys", "pii", "phi", "placeholder", "custom"];

    /// Its word in documents, conditions and records.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FindingClasses(u8);

impl FindingClasses {
    /// All of them.
    pub fn all() -> Self {
        FindingClass::ALL.into_iter().fold(Self::default(), Self::with)
    }

    /// With one class more.
    #[must_use]
    pub fn with(self, class: FindingClass) -> Self {
        Self(self.0 | 1 << class as u8)
    }

    /// Whether it names that class.
    pub fn has(self, class: FindingClass) -> bool {
        self.0 & 1 << class as u8 != 0
    }

    /// Whether it names none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Which way a message goes that is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FindingWays {
    /// Towards destinations. The default.
    #[default]
    Outbound,
    /// Towards agents.
    Inbound,
    /// Either.
    Both,
}

impl FindingWays {
    /// Whether what goes this way is meant.
    pub fn has(self, way: Direction) -> bool {
        match self {
            Self::Outbound => way == Direction::Up,
            Self::Inbound => way == Direction::Down,
            Self::Both => true,
        }
    }
}

/// What becomes of a finding; of several that are asked for, the last in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingAction {
    /// It goes on, and is on record by its keyed hash.
    HashLog,
    /// The same, with an alert to whoever reads records.
    Alert,
    /// Other characters stand in its place.
    Redact,
    /// Nothing of what it stands in goes on.
    Block,
}

impl FindingAction {
    /// Its word in documents and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HashLog => "HashLog",
            Self::Alert => "Alert",
            Self::Redact => "Redact",
            Self::Block => "Block",
        }
    }

    /// Whether it may have to change or stop what it stands in, and so has to be known before that leaves.
    pub fn stops(self) -> bool {
        matches!(self, Self::Redact | Self::Block)
    }
}
