//! What may be used up, by whom together, and in which time: the words that documents, decisions and counters share.
//!
//! Amounts are whole numbers of their unit; money is counted in thousand-millionths of a US dollar. Nothing here counts or
//! reads a clock. Read next: `holds.rs`, for what binds one request.

use std::sync::Arc;
use std::time::Duration;

/// Nano-dollars of one US dollar.
pub const NANODOLLARS: u64 = 1_000_000_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Tokens of models: input, output and thoughts, each once; what a cache had counts as input.
    Tokens,
    /// US dollars, in nano-dollars.
    Usd,
    /// Requests, and connections that are not read.
    Requests,
    /// Bytes in both directions: bodies of requests, everything of what is not read.
    Bytes,
    /// Bytes towards destinations.
    BytesUp,
    /// Bytes towards workloads.
    BytesDown,
    /// Calls of tools.
    Calls,
}

impl Unit {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Tokens, Self::Usd, Self::Requests, Self::Bytes, Self::BytesUp, Self::BytesDown, Self::Calls];

    /// How records and commands name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Usd => "usd",
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::BytesUp => "bytes-up",
            Self::BytesDown => "bytes-down",
            Self::Calls => "calls",
        }
    }

    /// The unit of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == word)
    }

    /// Whether it is known only by what models say or charge.
    pub const fn is_of_models(self) -> bool {
        matches!(self, Self::Tokens | Self::Usd)
    }
}

/// Which way bytes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards destinations.
    Up,
    /// Towards workloads.
    Down,
}

/// A length of time that begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// 60 s.
    Minute,
    /// 60 minutes.
    Hour,
    /// From midnight to midnight; rolling, 24 hours.
    Day,
    /// From Monday to Sunday (ISO 8601); rolling, 7 days.
    Week,
    /// A calendar month; rolling, 30 days.
    Month,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];

    /// How documents name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Its length where it rolls.
    pub const fn rolling(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
        })
    }
}

/// The time in which a limit holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// One execution: what one workload does without a long pause.
    Execution,
    /// From one boundary of the calendar to the next, where that time zone's clocks show it.
    Calendar(Period, jiff::tz::TimeZone),
    /// The time before now.
    Rolling(Period),
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub unit: Unit,
    /// How much of it, in the unit's own amounts.
    pub max: u64,
    /// In which time.
    pub window: Window,
}

/// What happens where a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BudgetMode {
    /// Nothing goes for which there is no room, and what runs is ended when nothing is left. The default.
    #[default]
    HardStop,
    /// Nothing more begins once nothing is left; what runs may end.
    SoftStop,
    /// What has no room waits for it, for a bounded time, and is refused then; what runs may end.
    Throttle,
    /// Everything goes, and the record says that it went past the limit.
    AlertOnly,
}

impl BudgetMode {
    /// The word in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HardStop => "HardStop",
            Self::SoftStop => "SoftStop",
            Self::Throttle => "Throttle",
            Self::AlertOnly => "AlertOnly",
        }
    }
}

/// Whose usage counts together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// Whatever these words name: `Team/red`, `Agent/alice`, `EgressGateway/default`.
    Named(Arc<str>),
    /// The execution that asks.
    Execution,
}

/// Whether what cannot be counted goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Uncounted {
    /// It is refused with `quota.unavailable`. The default.
    #[default]
    Deny,
    /// It goes, and its record says so.
    Allow,
}
