//! What the checks judge by: values that were looked up before, each with whether it could be seen at all.
//!
//! Pure: no look-up is made here. What could not be seen is said as that, and is never taken for good or bad.

use std::io;

use super::baseline::Baseline;
use super::certificates::Certificates;
use super::clock::Clock;
use super::daemon::Daemon;
use super::firewall::Firewall;
use super::names::Names;
use super::network::Network;
use super::policy::Policy;
use super::state::State;
use super::upkeep::Upkeep;

/// A look at something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Seen<T> {
    /// It is there, and this is what it says.
    Is(T),
    /// It is not there.
    #[default]
    Absent,
    /// It could not be looked at, and why.
    Hidden(String),
}

impl<T> Seen<T> {
    /// What a look gave: that nothing is there is an answer, any other failure is none.
    pub fn of(found: io::Result<T>) -> Self {
        match found {
            Ok(value) => Self::Is(value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Absent,
            Err(error) => Self::Hidden(error.to_string()),
        }
    }

    /// The value, where it was seen.
    pub fn is(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            _ => None,
        }
    }

    /// The same with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Is(value) => Seen::Is(change(value)),
            Self::Absent => Seen::Absent,
            Self::Hidden(why) => Seen::Hidden(why),
        }
    }
}

/// Everything that was looked up. What belongs to settings is absent where there are none.
#[derive(Debug, Default)]
pub struct Facts {
    /// Rules and routes of interception.
    pub upkeep: Option<Upkeep>,
    /// Settings of the kernel's network, and the ways out.
    pub network: Option<Network>,
    /// What other programs have in nftables.
    pub firewall: Option<Firewall>,
    /// The resolvers.
    pub names: Option<Names>,
    /// The policy folder.
    pub policy: Option<Policy>,
    /// The state folder.
    pub state: Option<State>,
    /// Certificates.
    pub certificates: Option<Certificates>,
    /// The process of the daemon, and its unit.
    pub daemon: Daemon,
    /// The clock.
    pub clock: Clock,
    /// The rest of the host.
    pub baseline: Baseline,
}
