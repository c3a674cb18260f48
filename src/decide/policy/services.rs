//! Services: what AIProviderRoutes, MCPRoutes and McpServers let through or deny, found by host.
//!
//! A service is one match of one rule, or one server. Their order is that of their kinds, their names and their places in a
//! document, never that of files. Says nothing of what a request carries; that is for `request/services.rs`. A gateway
//! without services costs one look.

use std::sync::Arc;

use super::index::HostIndex;
use super::passage::Route;
use super::plan::{Agents, Effect, Listeners};
use crate::model::manifest::resources::{ListenerProtocol, ServerPath, ServerUrl};
use crate::model::types::provider::fits;
use crate::model::types::{Hold, HostName, HostPattern, PolicyRef, Provider, ToolPattern, ToolSieve};

/// One match of one rule of an AIProviderRoute or an MCPRoute, or one McpServer.
#[derive(Debug)]
pub(super) struct Service {
    pub route: Route,
    pub effect: Effect,
    pub agents: Agents,
    pub listeners: Listeners,
    /// Its hosts, as they stand in documents.
    pub hosts: Vec<HostPattern>,
    /// Those of providers that have their star inside a label.
    pub starred: Vec<&'static str>,
    pub offer: Offer,
}

/// What a service offers.
#[derive(Debug)]
pub(super) enum Offer {
    Models(Models),
    Tools(Tools),
}

/// Models of a provider.
#[derive(Debug)]
pub(super) struct Models {
    pub provider: Provider,
    /// Names, or beginnings with a star behind them; empty for every one.
    pub models: Vec<Box<str>>,
    /// Canonical paths, or beginnings with a star behind them; empty for every one.
    pub endpoints: Vec<Box<str>>,
    /// What its TokenBudgets come to.
    pub budget: Option<Hold>,
    /// Tokens that one answer may have, and whose word that is.
    pub output: Option<(u64, PolicyRef)>,
}

/// Tools of MCP servers.
#[derive(Debug)]
pub(super) struct Tools {
    pub servers: Vec<ServerUrl>,
    /// The McpServer that this is, by its name; none for what an MCPRoute says.
    pub declared: Option<Arc<str>>,
    /// The tools that may be called; any where there is no list.
    pub tools: Option<Vec<ToolPattern>>,
    /// The same for lists of tools.
    pub sieve: Option<Arc<ToolSieve>>,
    /// Calls of each execution.
    pub calls: Option<Hold>,
}

/// All services of one gateway.
#[derive(Debug, Default)]
pub(super) struct Services {
    all: Vec<Service>,
    hosts: HostIndex<Vec<usize>>,
    starred: Vec<(&'static str, Vec<usize>)>,
}

/// The listener and the port of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Door {
    pub listener: ListenerProtocol,
    pub port: u16,
}

impl Services {
    pub(super) fn add(&mut self, service: Service) {
        let number = self.all.len();
        for host in &service.hosts {
            let numbers = self.hosts.of(host);
            // A route may name a host twice.
            if numbers.last() != Some(&number) {
                numbers.push(number);
            }
        }
        for pattern in &service.starred {
            match self.starred.iter_mut().find(|(known, _)| known == pattern) {
                Some((_, numbers)) => numbers.push(number),
                None => self.starred.push((pattern, vec![number])),
            }
        }
        self.all.push(service);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Service> {
        self.all.iter()
    }

    /// Whether one of them counts by executions.
    pub(super) fn ask_executions(&self) -> bool {
        let mut holds = self.all.iter().filter_map(|service| match &service.offer {
            Offer::Models(models) => models.budget.as_ref(),
            Offer::Tools(tools) => tools.calls.as_ref(),
        });
        holds.any(Hold::asks_executions)
    }

    /// Whether one of them has to know what a call of a model asks.
    pub(super) fn ask_models(&self) -> bool {
        let mut models = self.all.iter().filter_map(Service::models);
        models.any(|one| !one.models.is_empty() || one.budget.is_some() || one.output.is_some())
    }

    /// Those that name the host, for whatever agents: under an exact name first, then under wildcards.
    pub(super) fn naming(&self, host: &HostName) -> impl Iterator<Item = &Service> {
        let found = (!self.is_empty()).then(|| {
            let starred = self.starred.iter().filter(|(pattern, _)| fits(pattern, host));
            self.hosts.find(host).chain(starred.map(|(_, numbers)| numbers)).flatten()
        });
        found.into_iter().flatten().map(|number| &self.all[*number])
    }

    /// Those of them that are for the agent.
    pub(super) fn at(&self, agent: usize, host: &HostName) -> impl Iterator<Item = &Service> {
        self.naming(host).filter(move |service| service.agents.contains(agent))
    }

    /// Whose models the host serves, by what is said for the agent.
    pub(super) fn provider(&self, agent: usize, host: &HostName) -> Option<Provider> {
        self.at(agent, host).find_map(Service::models).map(|models| models.provider)
    }

    /// Whether requests to the host have to be judged by services, be it that they deny. What is declared as an McpServer is so
    /// for everybody.
    pub(super) fn govern(&self, agent: usize, host: &HostName) -> bool {
        self.naming(host).any(|service| service.is_declared() || service.agents.contains(agent))
    }

    /// Whether one of them says what requests to the host may go.
    pub(super) fn allow_something(&self, agent: usize, host: &HostName) -> bool {
        let mut naming = self.naming(host).filter(|service| service.allows());
        naming.any(|service| service.is_declared() || service.agents.contains(agent))
    }

    /// Those that open a connection of the agent to the host.
    pub(super) fn openers(&self, agent: usize, host: &HostName, port: u16) -> impl Iterator<Item = &Service> {
        let over = [ListenerProtocol::TlsTerminate, ListenerProtocol::Http];
        self.at(agent, host).filter(move |service| {
            let takes = |listener| service.is_reached_by(host, Door { listener, port });
            service.allows() && over.into_iter().any(takes)
        })
    }

    /// The first of them that denies every request of the agent to the host.
    pub(super) fn denies_all(&self, agent: usize, host: &HostName) -> Option<&Service> {
        self.at(agent, host).find(|service| !service.allows() && service.is_whole())
    }
}

impl Service {
    pub(super) fn allows(&self) -> bool {
        matches!(self.effect, Effect::Allow)
    }

    /// Whether it is a McpServer.
    pub(super) fn is_declared(&self) -> bool {
        self.tools().is_some_and(|tools| tools.declared.is_some())
    }

    pub(super) fn models(&self) -> Option<&Models> {
        match &self.offer {
            Offer::Models(models) => Some(models),
            Offer::Tools(_) => None,
        }
    }

    pub(super) fn tools(&self) -> Option<&Tools> {
        match &self.offer {
            Offer::Models(_) => None,
            Offer::Tools(tools) => Some(tools),
        }
    }

    /// Whether connections through this door lead to it, for some path.
    pub(super) fn is_reached_by(&self, host: &HostName, door: Door) -> bool {
        let leads = match &self.offer {
            Offer::Models(_) => true,
            Offer::Tools(tools) => tools.servers.iter().any(|url| is_at(url, host, door)),
        };
        leads && self.listeners.has(door.listener)
    }

    /// The listeners over which it is reached on a port.
    pub(super) fn listeners_on(&self, host: &HostName, port: u16) -> Listeners {
        let over = [ListenerProtocol::TlsTerminate, ListenerProtocol::Http];
        let reached =
            over.into_iter().filter(|listener| self.is_reached_by(host, Door { listener: *listener, port }));
        reached.fold(Listeners::default(), Listeners::with)
    }

    /// Whether it is about every request to its hosts, whatever that carries.
    fn is_whole(&self) -> bool {
        match &self.offer {
            Offer::Models(models) => models.models.is_empty() && models.endpoints.is_empty(),
            Offer::Tools(_) => false,
        }
    }
}

impl Models {
    /// Whether this is one of its endpoints, by one reading of the path.
    pub(super) fn is_endpoint(&self, path: &str) -> bool {
        self.endpoints.is_empty() || self.endpoints.iter().any(|endpoint| is_meant(endpoint, path))
    }

    /// Whether this is one of its models.
    pub(super) fn has(&self, model: Option<&str>) -> bool {
        self.models.is_empty()
            || model.is_some_and(|model| self.models.iter().any(|one| is_meant(one, model)))
    }
}

impl Tools {
    /// Whether this is the URL of one of its servers, by one reading of the path.
    pub(super) fn is_server(&self, host: &HostName, door: Door, path: &str) -> bool {
        self.servers.iter().any(|url| {
            is_at(url, host, door)
                && match &url.path {
                    ServerPath::Exact(own) => **own == *path,
                    ServerPath::Beginning(own) => path.starts_with(&**own),
                }
        })
    }

    /// Whether the tool may be called, as far as this says.
    pub(super) fn allows(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|pattern| pattern.matches(tool)))
    }
}

fn is_at(url: &ServerUrl, host: &HostName, door: Door) -> bool {
    url.tls == (door.listener == ListenerProtocol::TlsTerminate)
        && url.port == door.port
        && url.host.matches(host)
}

/// Whether a name, or a beginning with a star behind it, means this one.
fn is_meant(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => pattern == text,
    }
}

/// The patterns that mean what both lists mean; no list means any.
pub(super) fn meet(one: Option<&[ToolPattern]>, other: Option<&[ToolPattern]>) -> Option<Vec<ToolPattern>> {
    let (Some(one), Some(other)) = (one, other) else { return one.or(other).map(<[ToolPattern]>::to_vec) };
    let mut both: Vec<ToolPattern> = Vec::new();
    for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
        let narrower = if is_within(a, b) {
            a
        } else if is_within(b, a) {
            b
        } else {
            continue;
        };
        if !both.contains(narrower) {
            both.push(narrower.clone());
        }
    }
    Some(both)
}

/// Whether every tool that one pattern means is meant by the other, too.
fn is_within(narrow: &ToolPattern, wide: &ToolPattern) -> bool {
    match (narrow.0.strip_suffix('*'), wide.0.strip_suffix('*')) {
        (Some(narrow), Some(wide)) => narrow.starts_with(wide),
        (Some(_), None) => false,
        (None, _) => wide.matches(&narrow.0),
    }
}

/// A list that means any tool is no list.
pub(super) fn unless_any(tools: Vec<ToolPattern>) -> Option<Vec<ToolPattern>> {
    let any = tools.iter().any(|pattern| *pattern.0 == *"*");
    (!any).then_some(tools)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(names: &[&str]) -> Vec<ToolPattern> {
        names.iter().map(|name| ToolPattern((*name).into())).collect()
    }

    #[test]
    fn two_lists_of_tools_mean_together_what_each_of_them_means() {
        let tools = ["a", "ab", "abc", "b", "a*", ""];
        for (one, other) in [
            (&["a*"][..], &["ab*", "b"][..]),
            (&["a", "b"], &["*"]),
            (&["ab"], &["a*", "abc"]),
            (&[], &["*"]),
            (&["a*", "ab*"], &["ab", "a*"]),
        ] {
            let (one, other) = (patterns(one), patterns(other));
            let both = meet(Some(&one), Some(&other)).unwrap();
            for tool in tools {
                let means = |list: &[ToolPattern]| list.iter().any(|pattern| pattern.matches(tool));
                assert_eq!(means(&both), means(&one) && means(&other), "{one:?} {other:?} {tool}");
            }
        }
        assert_eq!(meet(None, None), None);
        assert_eq!(meet(None, Some(&patterns(&["a"]))), Some(patterns(&["a"])));
    }
}
