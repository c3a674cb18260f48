//! The rule of a route that misses what was refused by the least, and by what: method, path, fields, network, port or
//! listener. Routes of other agents and for similar hosts come behind.

use super::{Inquiry, allows};
use crate::decide::policy::plan::{HttpEntry, L4Entry, Listeners};
use crate::decide::policy::request::matches_path;
use crate::model::manifest::resources::{HttpMatch, ListenerProtocol, PathMatch, PortRange};
use crate::model::types::{HostName, HostPattern};
use crate::perceive::hello::Hello;
use crate::perceive::request::Request;

/// How alike two names are that somebody may have confused, from 0 to 1.
const ALIKE: f64 = 0.85;

/// A rule that names the host or the network, and by how much it misses.
pub(super) struct Near {
    pub misses: usize,
    pub text: String,
}

impl Inquiry<'_> {
    /// Of this agent's rules that name the host or the network the one that misses by the least; of equal ones the first.
    pub(super) fn own_route(&self) -> Option<String> {
        // A look-up needs no more than the name.
        if self.question.destination.port() == 0 {
            return None;
        }
        let http = self.naming_http().filter(|entry| self.mine(&entry.agents));
        let l4 = self.naming_l4().filter(|entry| self.mine(&entry.agents));
        let services = self.naming_services().filter(|service| self.mine(&service.agents));
        let services = services.filter_map(|service| self.near_service(service));
        let near = http.filter_map(|entry| self.near_http(entry)).chain(services);
        let near = near.chain(l4.filter_map(|entry| self.near_l4(entry)));
        near.min_by_key(|near| near.misses).map(|near| near.text)
    }

    /// A rule that names the host for others.
    pub(super) fn route_of_others(&self, host: &HostName) -> Option<String> {
        let http = self.naming_http().filter(|entry| !self.mine(&entry.agents)).map(|entry| &entry.route);
        let l4 = self.naming_l4().filter(|entry| !entry.hosts.is_empty() && !self.mine(&entry.agents));
        let services = self.naming_services().filter(|service| !self.mine(&service.agents));
        let services = services.map(|service| &service.route);
        let route = http.chain(services).chain(l4.map(|entry| &entry.route)).next()?;
        Some(format!("{} allows {host} to other agents", route.policy.0))
    }

    /// A rule of this agent that allows a host of almost the same name.
    pub(super) fn similar(&self, host: &HostName) -> Option<String> {
        let l4 = self.l4().map(|entry| (&entry.agents, &entry.effect, &entry.hosts, &entry.route));
        let http = self.http().map(|entry| (&entry.agents, &entry.effect, &entry.hosts, &entry.route));
        let services = self.services().map(|one| (&one.agents, &one.effect, &one.hosts, &one.route));
        let own =
            l4.chain(http).chain(services).filter(|(agents, effect, ..)| self.mine(agents) && allows(effect));
        let named =
            own.flat_map(|(_, _, hosts, route)| hosts.iter().map(move |host| (host.to_string(), route)));
        named
            .map(|(named, route)| (strsim::jaro_winkler(&named, host.as_str()), named, route))
            .filter(|(likeness, ..)| *likeness > ALIKE)
            // The first of those that are most alike.
            .min_by(|a, b| b.0.total_cmp(&a.0))
            .map(|(_, named, route)| format!("{} names {named}, this was {host}", route.policy.0))
    }

    fn naming_http(&self) -> impl Iterator<Item = &HttpEntry> {
        let host = self.question.host;
        self.http()
            .filter(move |entry| allows(&entry.effect) && host.is_some_and(|host| names(&entry.hosts, host)))
    }

    fn naming_l4(&self) -> impl Iterator<Item = &L4Entry> {
        let (host, place) = (self.question.host, self.question.destination);
        self.l4().filter(move |entry| {
            let by_name = host.is_some_and(|host| names(&entry.hosts, host));
            allows(&entry.effect) && (by_name || entry.hosts.is_empty() && entry.names_address(place))
        })
    }

    /// Nothing where it misses by nothing: what it opened was refused for something else.
    fn near_http(&self, entry: &HttpEntry) -> Option<Near> {
        let (host, policy) = (self.question.host?, &entry.route.policy.0);
        let untaken = entry.listeners.and(self.takers()).is_empty();
        let through = if untaken { on_listeners(entry.listeners) } else { String::new() };
        let Some(request) = self.question.request else {
            let text = format!("{policy} allows requests to {host}{through}, this was {}", self.said());
            return untaken.then_some(Near { misses: 1, text });
        };
        let each = entry.matches.iter().map(|one| (missed(one, request), shape(one, host)));
        let (missed, what) =
            each.min_by_key(|(missed, _)| *missed).unwrap_or_else(|| (0, format!("everything on {host}")));
        let this = match (missed, untaken) {
            (0, false) => return None,
            (0, true) => self.said().to_owned(),
            (_, false) => called(request),
            (_, true) => format!("{} over {}", called(request), self.said()),
        };
        let text = format!("{policy} allows {what}{through}, this was {this}");
        Some(Near { misses: missed + usize::from(untaken), text })
    }

    fn near_l4(&self, entry: &L4Entry) -> Option<Near> {
        let (place, policy) = (self.question.destination, &entry.route.policy.0);
        let what = match self.question.host {
            Some(host) if !entry.hosts.is_empty() => host.to_string(),
            _ => place.ip().to_string(),
        };
        let outside = !entry.cidrs.is_empty() && !entry.names_address(place);
        let covers = |range: &PortRange| (range.start..=range.end).contains(&place.port());
        let other_port = !entry.ports.is_empty() && !entry.ports.iter().any(covers);
        let untaken = entry.listeners.and(self.takers()).is_empty();
        let mut text = format!("{policy} allows {what}");
        let mut this = Vec::new();
        if outside {
            text.push_str(&format!(" in {}", joined(&entry.cidrs, ToString::to_string, " or ")));
            this.push(place.ip().to_string());
        }
        if other_port {
            text.push_str(&format!(" on {}", joined(&entry.ports, ports, ", ")));
            this.push(format!("port {}", place.port()));
        }
        if untaken {
            text.push_str(&on_listeners(entry.listeners));
            this.push(self.said().to_owned());
        }
        if this.is_empty() {
            // Requests have to be read there, and there are none.
            let governed = self.is_raw() && self.question.host.is_some_and(|host| self.is_governed(host));
            let text = format!("{text}, but HTTP routes govern it, and this was {}", self.said());
            return governed.then_some(Near { misses: 1, text });
        }
        Some(Near { misses: this.len(), text: format!("{text}, this was {}", this.join(", ")) })
    }

    fn is_raw(&self) -> bool {
        matches!(self.question.hello, Hello::Opaque | Hello::Silent | Hello::Datagram)
    }

    fn is_governed(&self, host: &HostName) -> bool {
        self.agent.is_some_and(|agent| self.plan.governs(agent, host))
    }

    /// Listeners that take what begins like this.
    fn takers(&self) -> Listeners {
        use ListenerProtocol::{Http, Tcp, TlsPassthrough, TlsTerminate, Udp};
        let protocols: &[ListenerProtocol] = match self.question.hello {
            Hello::Tls(_) => &[Tcp, TlsTerminate, TlsPassthrough],
            Hello::Http1(_) | Hello::Http2 => &[Tcp, Http],
            Hello::Opaque | Hello::Silent => &[Tcp],
            Hello::Datagram => &[Udp],
        };
        protocols.iter().copied().fold(Listeners::default(), Listeners::with)
    }

    /// What it begins like.
    pub(super) fn said(&self) -> &'static str {
        match self.question.hello {
            Hello::Tls(_) => "TLS",
            Hello::Http1(_) | Hello::Http2 => "HTTP",
            Hello::Opaque | Hello::Silent => "neither TLS nor HTTP",
            Hello::Datagram => "UDP",
        }
    }
}

fn names(hosts: &[HostPattern], host: &HostName) -> bool {
    hosts.iter().any(|pattern| pattern.matches(host))
}

pub(super) fn called(request: &Request<'_>) -> String {
    format!("{} {}", request.method(), request.path())
}

/// By how many of its parts a match misses.
fn missed(one: &HttpMatch, request: &Request<'_>) -> usize {
    let method = one.method.as_deref().is_some_and(|method| method != request.method().as_str());
    let path = one.path.as_ref().is_some_and(|path| !matches_path(path, request.path()));
    let fields = one
        .headers
        .iter()
        .filter(|wanted| !request.header_values(&wanted.name).any(|value| value == wanted.value.as_bytes()));
    let parameters = one.query.iter().filter(|wanted| {
        !request.query_pairs().any(|(name, value)| *name == wanted.name && value == wanted.value)
    });
    usize::from(method) + usize::from(path) + fields.count() + parameters.count()
}

fn shape(one: &HttpMatch, host: &HostName) -> String {
    let path = match &one.path {
        None => "/*".to_owned(),
        Some(PathMatch::Exact(path)) => path.clone(),
        Some(PathMatch::Prefix(path)) => format!("{}/*", path.trim_end_matches('/')),
    };
    let conditions = if one.headers.is_empty() && one.query.is_empty() { "" } else { " under conditions" };
    format!("{} {host}{path}{conditions}", one.method.as_deref().unwrap_or("any method on"))
}

fn ports(range: &PortRange) -> String {
    match range.start == range.end {
        true => format!("port {}", range.start),
        false => format!("ports {} to {}", range.start, range.end),
    }
}

/// ` on a listener for TLS or HTTP`; for a route that is attached to none of its kind, so much.
pub(super) fn on_listeners(listeners: Listeners) -> String {
    use ListenerProtocol::{Http, Tcp, TlsPassthrough, TlsTerminate, Udp};
    let kinds: [(&str, &[ListenerProtocol]); 4] =
        [("TCP", &[Tcp]), ("TLS", &[TlsTerminate, TlsPassthrough]), ("HTTP", &[Http]), ("UDP", &[Udp])];
    let has = kinds.iter().filter(|(_, protocols)| protocols.iter().any(|one| listeners.has(*one)));
    match &has.map(|(name, _)| *name).collect::<Vec<_>>()[..] {
        [] => " on no listener".to_owned(),
        names => format!(" on a listener for {}", names.join(" or ")),
    }
}

fn joined<T>(all: &[T], one: impl Fn(&T) -> String, between: &str) -> String {
    all.iter().map(one).collect::<Vec<_>>().join(between)
}
