//! Under which names a connection is judged: those that it says, or those that its address was given for.
//!
//! Believes nothing by itself: a name that the resolver did not give for the address is a claim, and is resolved anew.
//! Read next: `stale.rs`.

use super::{Judge, words};
use crate::decide::policy::passage::NameSource;
use crate::model::manifest::resources::ListenerProtocol;
use crate::model::types::{Denial, HostName};
use crate::perceive::hello::Hello;

/// Under which names a connection is judged.
pub(super) struct Claim<'a> {
    /// The names that may open it, each by itself.
    pub(super) names: &'a [HostName],
    /// Why they are believed.
    pub(super) source: NameSource,
    /// What the address may be besides: names that nobody claims, or that a claim hides. They open nothing, but their
    /// deny rules hold and their HTTP rules cannot be gone around.
    pub(super) shadow: &'a [HostName],
}

impl<'a> Judge<'a> {
    /// Whether it is TLS that does not say which host it is for.
    pub(super) fn lacks_a_server_name(&self) -> bool {
        matches!(self.flow.hello, Hello::Tls(hello) if hello.server_name.is_none())
    }

    /// Whether the first message says which host it is for. Where nobody reads the requests, one `Host` says nothing
    /// about the next.
    pub(super) fn names_its_host(&self) -> bool {
        match self.flow.hello {
            Hello::Tls(_) => true,
            Hello::Http1(_) => self.plan.listeners.has(ListenerProtocol::Http),
            Hello::Http2 | Hello::Opaque | Hello::Silent | Hello::Datagram => false,
        }
    }

    /// The names to judge by.
    pub(super) fn claim(&self, named_by_cidr: bool) -> Result<Claim<'a>, Denial> {
        let given = self.flow.given;
        let claimed = match self.flow.hello {
            Hello::Tls(hello) if hello.server_name.is_none() && !named_by_cidr => {
                // Nobody who opens TLS can do without it; what is only relayed is judged as any other bytes.
                return match given {
                    [] => Err(words::no_name(self.known, self.flow.destination.0)),
                    _ => Ok(Claim { names: given, source: NameSource::Given, shadow: given }),
                };
            }
            Hello::Tls(hello) => hello.server_name.as_ref(),
            Hello::Http1(hello) if self.names_its_host() => hello.host.as_ref(),
            Hello::Http1(_) | Hello::Http2 | Hello::Opaque | Hello::Silent | Hello::Datagram => {
                let source = if given.is_empty() { NameSource::None } else { NameSource::Given };
                return Ok(Claim { names: given, source, shadow: given });
            }
        };
        let Some(claimed) = claimed else {
            return Ok(Claim { names: &[], source: NameSource::None, shadow: given });
        };
        let (source, shadow) = match (given.contains(claimed), named_by_cidr) {
            (true, _) => (NameSource::Given, &[][..]),
            (false, true) => (NameSource::None, given),
            (false, false) => (NameSource::Resolve, &[][..]),
        };
        Ok(Claim { names: std::slice::from_ref(claimed), source, shadow })
    }
}
