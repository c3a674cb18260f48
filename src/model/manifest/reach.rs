//! Whether requests are ever seen of the traffic that a policy of rules is about. Where they are not, what asks for them
//! could never hold or be done.
//!
//! It knows listeners, agents and routes that were read without a mistake; of anything else it complains of nothing. Read
//! next: `egress_policy.rs`.

use super::fields::Item;
use super::header::Index;
use super::references::Needs;
use super::resources::{L4Match, L4Protocol, L4Route, Parent, PolicyTarget, Resources};
use super::source::Span;

/// What a set has of gateways, agents and routes, when its policies are read.
#[derive(Clone, Copy)]
pub struct Reach<'r> {
    /// Gateways.
    pub index: &'r Index,
    /// Agents and routes.
    pub resources: &'r Resources,
}

impl Reach<'_> {
    /// Whether some listener shows requests of this traffic; also where that cannot be told, because something has its mistakes
    /// noted already.
    pub fn shows_requests(self, target: &PolicyTarget) -> bool {
        let gateway = |name: &str| self.listener_shows(name, None);
        let agents = |wanted: &dyn Fn(&super::resources::Agent) -> bool| {
            let mut found = self.resources.agents.values().filter(|agent| wanted(agent)).peekable();
            found.peek().is_none() || found.any(|agent| gateway(&agent.gateway))
        };
        match target {
            PolicyTarget::Gateway(name) => gateway(name),
            PolicyTarget::Agent(name) => agents(&|agent| agent.profile.name == *name),
            PolicyTarget::Team(name) => agents(&|agent| agent.profile.team.as_ref() == Some(name)),
            PolicyTarget::Project(name) => agents(&|agent| agent.profile.project.as_ref() == Some(name)),
            PolicyTarget::L4Route(name) => {
                self.resources.l4_routes.get(name).is_none_or(|route| self.route_shows(route))
            }
            // It cannot hang on anything else.
            PolicyTarget::HttpRoute(_) | PolicyTarget::AiRoute(_) | PolicyTarget::McpRoute(_) => true,
        }
    }

    fn route_shows(self, route: &L4Route) -> bool {
        let connects = |one: &L4Match| one.protocol == L4Protocol::Tcp;
        let shows = |parent: &Parent| self.listener_shows(&parent.gateway, parent.section.as_deref());
        route.rules.iter().flatten().any(connects) && route.parents.iter().any(shows)
    }

    /// Whether a listener of this gateway shows requests; also where the gateway has its mistakes.
    pub fn listener_shows(self, gateway: &str, section: Option<&str>) -> bool {
        let Some(gateway) = self.index.gateways.get(gateway) else { return true };
        let named = |name: &str| section.is_none_or(|section| section == name);
        let mut listeners = gateway.listeners.iter().filter(|listener| named(&listener.name));
        listeners.any(|listener| Needs::Requests.met_by(listener.protocol))
    }
}

/// Notes what asks for requests where none is seen.
pub fn unseen(item: &Item<'_>, place: Span, what: &str) {
    let message = format!("{what}, and no listener that the policy is about shows requests");
    let hint = format!("they are seen on a listener with {}", Needs::Requests.listeners());
    item.scope.mistake(place, message, Some(hint));
}
