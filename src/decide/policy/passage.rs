//! The proof that a connection may live, and how.

use std::net::SocketAddr;
use std::sync::Arc;

use super::obligations::Obligations;
use crate::model::types::{Decision, Holds, HostName, PolicyRef};

/// What is done with an allowed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// TLS is opened with our leaf; every request is judged.
    Terminate,
    /// TLS is passed through untouched.
    PassThrough,
    /// Plain HTTP; every request is judged.
    PlainHttp,
    /// Bytes are relayed.
    Relay,
    /// Datagrams are relayed, one flow by itself.
    Datagrams,
}

impl Mode {
    /// Whether requests are read, and each of them is judged.
    pub fn reads_requests(self) -> bool {
        matches!(self, Self::Terminate | Self::PlainHttp)
    }
}

/// Why the gateway believes the destination's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameSource {
    /// The gateway's resolver gave this agent this address for the name: the original destination is dialled.
    Given,
    /// The agent claims the name, or was given it so long ago that it is no more than a claim: the gateway resolves it and
    /// dials its own answer, never the agent's address.
    Resolve,
    /// No name is involved: a CIDR route, or `allow-all`.
    None,
}

/// The document and rule that allowed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `Kind/name`.
    pub policy: PolicyRef,
    /// `rules[N]`, absent where a default decided.
    pub rule: Option<Arc<str>>,
}

impl Route {
    /// Whether it lets requests through, each by itself.
    pub(super) fn is_of_requests(&self) -> bool {
        let kinds = ["EgressHTTPRoute/", "AIProviderRoute/", "MCPRoute/", "McpServer/"];
        kinds.iter().any(|kind| self.policy.0.starts_with(kind))
    }
}

/// Proof that policy lets a connection live. Made by `PolicySet::connection` alone.
#[derive(Debug)]
#[must_use]
pub struct Passage {
    pub(super) mode: Mode,
    pub(super) host: Option<HostName>,
    pub(super) also: Vec<HostName>,
    /// What the address may be besides, where a network opened it: rules that refuse these names refuse its requests.
    pub(super) shadow: Vec<HostName>,
    pub(super) name_source: NameSource,
    pub(super) destination: SocketAddr,
    pub(super) private_allowed: bool,
    pub(super) route: Route,
    pub(super) obligations: Option<Box<Obligations>>,
    pub(super) holds: Option<Box<Holds>>,
}

impl Passage {
    /// What is done with the connection.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The name the connection is for.
    pub fn host(&self) -> Option<&HostName> {
        self.host.as_ref()
    }

    /// Further names this connection may speak for: only where plain text names no single host up front.
    pub fn also(&self) -> &[HostName] {
        &self.also
    }

    /// Why the name is believed.
    pub fn name_source(&self) -> NameSource {
        self.name_source
    }

    /// Under which names it is judged once more: names to believe, and a claim. `given` are those that its agent has been given
    /// for the address that it asked for. A name under which it was allowed stays believed as long as it lives, and one
    /// that was only a claim stays one: there the gateway dialled its own answer, of which names for that address say nothing.
    pub fn names_anew<G>(&self, mut given: G) -> (G, Option<HostName>)
    where
        G: Default + Extend<HostName> + AsRef<[HostName]>,
    {
        let host = self.host.clone().filter(|host| !given.as_ref().contains(host));
        match self.name_source {
            NameSource::Given => {
                given.extend(host);
                (given, None)
            }
            NameSource::Resolve => (G::default(), self.host.clone()),
            NameSource::None => (given, host),
        }
    }

    /// Where the workload wanted to go.
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// Whether a CIDR route names the destination, so that an address that is not public may be dialled. It covers
    /// the original destination alone, never an address found by resolution.
    pub fn private_allowed(&self) -> bool {
        self.private_allowed
    }

    /// What allowed it.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// What binds it; nothing where no rule holds.
    pub fn obligations(&self) -> Option<&Obligations> {
        self.obligations.as_deref()
    }

    /// What binds it in amounts, where it is not read; nothing where no document does.
    pub fn holds(&self) -> Option<&Holds> {
        self.holds.as_deref()
    }

    /// The word for the record, and what speaks there.
    pub fn speaks(&self) -> (Decision, &Route) {
        speaks(&self.route, self.obligations.as_deref())
    }
}

/// The rule that binds it most speaks for what is let through; without one, what let it through.
pub(super) fn speaks<'a>(route: &'a Route, obligations: Option<&'a Obligations>) -> (Decision, &'a Route) {
    obligations.map_or((Decision::Allow, route), |bound| (bound.decision(), bound.by()))
}
