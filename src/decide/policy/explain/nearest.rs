//! The rule that comes nearest to allowing what was refused: of a route what it names, of an Allow rule the part of its
//! condition that was false.

use super::{Inquiry, allows};
use crate::decide::policy::passage::Route;
use crate::decide::policy::plan::{HttpEntry, L4Entry};
use crate::decide::policy::rules::{Rule, Rules};
use crate::model::condition::{Facts, Part, Unevaluable};
use crate::model::manifest::resources::{HttpMatch, PathMatch, PortRange, RuleAction};
use crate::model::types::{HostName, HostPattern, Timestamp};
use crate::perceive::request::Request;

/// What would have allowed it, but for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// In words.
    pub text: String,
    /// What was missing, where it is a rule of an EgressPolicy.
    pub unmet: Option<Unmet>,
}

/// An Allow rule whose condition did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The rule.
    pub rule: Route,
    /// Its condition, as it was written.
    pub when: String,
    /// The parts of it that were false, or that only a request could have met.
    pub parts: Vec<String>,
}

/// An Allow rule as it was judged.
struct Missed {
    nearest: Nearest,
    /// Whether some part of its condition held.
    partly: bool,
}

impl From<String> for Nearest {
    fn from(text: String) -> Self {
        Self { text, unmet: None }
    }
}

impl Inquiry<'_> {
    /// A route that names the host and misses by method, path or port; else an Allow rule of whose condition a part holds;
    /// else a route for other agents, one for a similar host, or any Allow rule.
    pub(super) fn nearest(&self, rules: &Rules, at: Timestamp) -> Option<Nearest> {
        let missed = self.missed(rules, at);
        let (partly, wholly) = match missed {
            Some(missed) if missed.partly => (Some(missed.nearest), None),
            missed => (None, missed.map(|missed| missed.nearest)),
        };
        let Some(host) = self.question.host else { return partly.or(wholly) };
        let own = || self.own_route(host).map(Nearest::from);
        let other = || self.route_of_others(host).or_else(|| self.similar(host)).map(Nearest::from);
        own().or(partly).or_else(other).or(wholly)
    }

    /// A route of this agent that names the host.
    fn own_route(&self, host: &HostName) -> Option<String> {
        let mut http = self.naming_http(host).filter(|entry| self.mine(&entry.agents));
        if let (Some(entry), Some(request)) = (http.next(), self.question.request) {
            return Some(format!(
                "{} allows {}, this was {}",
                entry.route.policy.0,
                shape(entry, host),
                called(request)
            ));
        }
        let entry = self.naming_l4(host).find(|entry| self.mine(&entry.agents))?;
        Some(format!(
            "{} allows {host} on {}, this was port {}",
            entry.route.policy.0,
            ports(entry),
            self.question.destination.port()
        ))
    }

    fn route_of_others(&self, host: &HostName) -> Option<String> {
        let http = self.naming_http(host).filter(|entry| !self.mine(&entry.agents)).map(|entry| &entry.route);
        let l4 = self.naming_l4(host).map(|entry| &entry.route);
        let route = http.chain(l4).next()?;
        Some(format!("{} allows {host} to other agents", route.policy.0))
    }

    fn naming_http(&self, host: &HostName) -> impl Iterator<Item = &HttpEntry> {
        self.http().filter(move |entry| allows(&entry.effect) && names(&entry.hosts, host))
    }

    fn naming_l4(&self, host: &HostName) -> impl Iterator<Item = &L4Entry> {
        self.l4().filter(move |entry| allows(&entry.effect) && names(&entry.hosts, host))
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

    /// The Allow rule of this agent that misses by the fewest parts of its condition; of equal ones the first.
    fn missed(&self, rules: &Rules, at: Timestamp) -> Option<Missed> {
        let facts = self.facts(at);
        let allowing = rules.of(self.agent?).filter(|rule| rule.action == RuleAction::Allow);
        let missed = allowing.filter_map(|rule| missed_by(rule, &facts));
        missed.min_by_key(|(parts, missed)| (!missed.partly, *parts)).map(|(_, missed)| missed)
    }
}

/// By how many parts of its condition a rule misses; nothing where it misses by none.
fn missed_by(rule: &Rule, facts: &Facts<'_>) -> Option<(usize, Missed)> {
    let when = rule.when()?;
    let (mut parts, mut read, mut partly) = (Vec::new(), true, false);
    for (part, judged) in when.parts(facts) {
        match judged {
            Ok(true) => partly = true,
            Ok(false) => {
                read = false;
                parts.push(part.to_owned());
            }
            Err(Unevaluable::NotYet(Part::Request)) => parts.push(part.to_owned()),
            // Such as what stands behind a `has` that is false.
            Err(_) => {}
        }
    }
    if parts.is_empty() {
        return None;
    }
    let quoted: Vec<String> = parts.iter().map(|part| format!("`{part}`")).collect();
    // What is false stays false in whatever way it is sent.
    let why = match (read, parts.len()) {
        (true, _) => "which only a request that the gateway reads can meet",
        (false, 1) => "which is false here",
        (false, _) => "which are not met here",
    };
    let text = format!("{} {} allows it where {}, {why}", rule.policy.0, rule.name, quoted.join(" and "));
    let missing = parts.len();
    let unmet = Unmet { rule: rule.place(), when: when.text().to_owned(), parts };
    let nearest = Nearest { text, unmet: Some(unmet) };
    Some((missing, Missed { nearest, partly }))
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
