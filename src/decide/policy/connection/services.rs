//! What AIProviderRoutes, MCPRoutes and McpServers do for a connection: they open those to their own hosts, to be read. And what
//! binds in amounts a connection that nobody reads.
//!
//! Which requests go on a connection that they open is asked with each. Read next: `../services.rs`.

use super::{Judge, Listeners, Mode, Route};
use crate::decide::policy::amounts::Carried;
use crate::model::types::{Holds, HostName};
use crate::perceive::hello::Hello;

impl<'a> Judge<'a> {
    /// Whether it begins like something in which there are requests.
    pub(super) fn speaks_http(&self) -> bool {
        matches!(self.flow.hello, Hello::Tls(_) | Hello::Http1(_) | Hello::Http2)
    }

    /// The services that let something through on this host and port, each with the listeners over which it is reached.
    pub(super) fn service_routes(
        &self,
        name: Option<&HostName>,
    ) -> impl Iterator<Item = (Listeners, &'a Route)> {
        let (plan, port) = (self.plan, self.flow.destination.0.port());
        let name = name.filter(|_| self.speaks_http());
        name.into_iter().flat_map(move |name| {
            let openers = plan.services.openers(self.agent, name, port);
            openers.map(move |service| (service.listeners_on(name, port), &service.route))
        })
    }

    /// What binds in amounts what a route lets through unread. Requests are bound each by itself.
    pub(super) fn held(&self, mode: Mode, route: &Route) -> Option<Box<Holds>> {
        if mode.reads_requests() || self.amounts.none_for(self.agent) {
            return None;
        }
        let mut holds = Holds::default();
        self.amounts.bind(self.agent, &[&route.policy], Carried::Flow, &mut holds);
        (!holds.is_empty()).then(|| Box::new(holds))
    }
}
