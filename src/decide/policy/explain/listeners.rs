//! What the listeners of a gateway take: what none of them takes, neither a route nor an approval opens.

use super::{Circumstances, Question};
use crate::decide::policy::plan::{Listeners, PolicySet};
use crate::decide::policy::standing::Standing;
use crate::model::manifest::resources::ListenerProtocol;
use crate::model::types::{ApprovedHost, HostPattern, PolicyRef, Timestamp};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;

/// A gateway without a listener for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untaken {
    /// `EgressGateway/NAME`.
    pub gateway: PolicyRef,
    /// What none of its listeners takes, in words.
    pub what: &'static str,
    /// The `protocol` of a listener that would take it.
    pub protocol: &'static str,
}

impl PolicySet {
    /// Whether a listener of this agent's gateway takes TLS.
    pub fn takes_tls(&self, known: &Known) -> bool {
        let listeners = self.listeners(known);
        listeners.has(ListenerProtocol::TlsTerminate) || listeners.has(ListenerProtocol::TlsPassthrough)
    }

    /// What no listener of this agent's gateway takes, where a connection that begins like this is that.
    pub fn untaken(&self, known: &Known, hello: &Hello) -> Option<Untaken> {
        use ListenerProtocol::{Http, Tcp, TlsPassthrough, TlsTerminate, Udp};
        let (what, protocol, takers): (_, _, &[ListenerProtocol]) = match hello {
            Hello::Tls(_) => ("TLS", "TLS", &[Tcp, TlsTerminate, TlsPassthrough]),
            Hello::Http1(_) | Hello::Http2 => ("HTTP", "HTTP", &[Tcp, Http]),
            Hello::Opaque | Hello::Silent => ("TCP that is neither TLS nor HTTP", "TCP", &[Tcp]),
            Hello::Datagram => ("UDP", "UDP", &[Udp]),
        };
        let plan = self.gateways.get(known.gateway())?;
        let taken = takers.iter().any(|protocol| plan.listeners.has(*protocol));
        (!taken).then(|| Untaken { gateway: plan.policy.clone(), what, protocol })
    }

    /// Whether an approval of the host and port would let this through, were there one.
    pub fn opened_by_approval(&self, question: &Question<'_>, at: Timestamp) -> bool {
        let Some(host) = question.host else { return false };
        let hosts = [ApprovedHost {
            host: HostPattern::Exact(host.clone()),
            port: Some(question.destination.port()),
        }];
        let mut standing = Standing::new();
        standing.approve(&question.known.agent().name, "supposed", &hosts, Timestamp(i64::MAX));
        self.judged(question, Circumstances { at, standing: &standing, usage: None }).is_ok()
    }

    fn listeners(&self, known: &Known) -> Listeners {
        self.gateways.get(known.gateway()).map(|plan| plan.listeners).unwrap_or_default()
    }
}
