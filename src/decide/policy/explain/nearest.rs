//! The rule that comes nearest to allowing what was refused.

use super::{Inquiry, allows};
use crate::decide::policy::plan::{HttpEntry, L4Entry};
use crate::model::manifest::resources::{HttpMatch, PathMatch, PortRange};
use crate::model::types::{HostName, HostPattern};
use crate::perceive::request::Request;

impl Inquiry<'_> {
    /// A rule that names the host and misses by method, path, port or agent; else one for a similar host.
    pub(super) fn nearest(&self) -> Option<String> {
        let host = self.question.host?;
        let http = self.http().filter(|entry| allows(&entry.effect) && names(&entry.hosts, host));
        let (mine, others): (Vec<_>, Vec<_>) = http.partition(|entry| self.mine(&entry.agents));
        if let (Some(entry), Some(request)) = (mine.first(), self.question.request) {
            return Some(format!(
                "{} allows {}, this was {}",
                entry.route.policy.0,
                shape(entry, host),
                called(request)
            ));
        }
        let l4: Vec<_> =
            self.l4().filter(|entry| allows(&entry.effect) && names(&entry.hosts, host)).collect();
        if let Some(entry) = l4.iter().find(|entry| self.mine(&entry.agents)) {
            return Some(format!(
                "{} allows {host} on {}, this was port {}",
                entry.route.policy.0,
                ports(entry),
                self.question.destination.port()
            ));
        }
        let of_others = others.first().map(|entry| &entry.route).or(l4.first().map(|entry| &entry.route));
        if let Some(route) = of_others {
            return Some(format!("{} allows {host} to other agents", route.policy.0));
        }
        self.similar(host)
    }

    fn similar(&self, host: &HostName) -> Option<String> {
        let l4 = self.l4().filter(|entry| self.mine(&entry.agents)).map(|entry| (&entry.hosts, &entry.route));
        let http =
            self.http().filter(|entry| self.mine(&entry.agents)).map(|entry| (&entry.hosts, &entry.route));
        let named =
            l4.chain(http).flat_map(|(hosts, route)| hosts.iter().map(move |host| (host.to_string(), route)));
        named
            .map(|(named, route)| (strsim::jaro_winkler(&named, host.as_str()), named, route))
            .filter(|(likeness, ..)| *likeness > 0.85)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, named, route)| format!("{} names {named}, this was {host}", route.policy.0))
    }
}

fn names(hosts: &[HostPattern], host: &HostName) -> bool {
    hosts.iter().any(|pattern| pattern.matches(host))
}

fn called(request: &Request<'_>) -> String {
    format!("{} {}", request.method(), request.path())
}

fn shape(entry: &HttpEntry, host: &HostName) -> String {
    let one = |one: &HttpMatch| {
        let path = match &one.path {
            None => "/*".to_owned(),
            Some(PathMatch::Exact(path)) => path.clone(),
            Some(PathMatch::Prefix(path)) => format!("{}/*", path.trim_end_matches('/')),
        };
        let conditions =
            if one.headers.is_empty() && one.query.is_empty() { "" } else { " under conditions" };
        format!("{} {host}{path}{conditions}", one.method.as_deref().unwrap_or("any method on"))
    };
    let all: Vec<_> = entry.matches.iter().map(one).collect();
    if all.is_empty() { format!("everything on {host}") } else { all.join(" or ") }
}

fn ports(entry: &L4Entry) -> String {
    let one = |range: &PortRange| match range.start == range.end {
        true => format!("port {}", range.start),
        false => format!("ports {} to {}", range.start, range.end),
    };
    entry.ports.iter().map(one).collect::<Vec<_>>().join(", ")
}
