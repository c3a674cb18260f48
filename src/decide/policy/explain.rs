//! Why a request would be decided as it would: the same two questions, with what was looked at along the way.
//!
//! For operators only: it names rules, which agents never hear of.

use std::net::SocketAddr;

use super::connection::Flow;
use super::passage::Passage;
use super::plan::{Effect, GatewayPlan, HttpEntry, L4Entry, PolicySet};
use super::query::{self, Chooser, Lookup};
use crate::model::manifest::resources::{DefaultPolicy, HttpMatch, L4Protocol, PathMatch};
use crate::model::types::{Denial, HostName, OriginalDestination, PolicyRef, Reason};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use crate::perceive::request::Request;

/// A hypothetical connection, and the request on it where there is one.
#[derive(Debug)]
pub struct Question<'a> {
    /// The agent.
    pub known: &'a Known,
    /// The name asked for; taken as given by the gateway's resolver.
    pub host: Option<&'a HostName>,
    /// Names that the agent was given for the destination, the one asked for among them.
    pub given: &'a [HostName],
    /// Names that it was given once, and that are believed no more.
    pub stale: &'a [HostName],
    /// Where the connection would go.
    pub destination: SocketAddr,
    /// What the connection would say first.
    pub hello: &'a Hello,
    /// The request, for HTTP.
    pub request: Option<&'a Request<'a>>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `identity`, `dns`, `name`, `protocol`, `deny`, `routes`, `default`.
    pub stage: &'static str,
    /// What came of it.
    pub text: String,
}

/// A decision, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The code, where it would be refused.
    pub reason: Option<Reason>,
    /// HTTP status of the refusal.
    pub status: Option<u16>,
    /// The document that decides.
    pub policy: Option<PolicyRef>,
    /// The rule in it.
    pub rule: Option<String>,
    /// What was looked at, in order.
    pub steps: Vec<Step>,
    /// The rule that comes nearest to allowing it.
    pub nearest: Option<String>,
}

impl PolicySet {
    /// Explains what would be decided. Nothing is recorded, nothing is sent.
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        let flow = Flow {
            destination: OriginalDestination(question.destination),
            hello: question.hello,
            given: question.given,
            stale: question.stale,
        };
        let passage = self.connection(question.known, flow).map_err(|refusal| refusal.denial);
        let verdict = passage.and_then(|passage| self.ask_request(question, passage));
        let mut explanation = match verdict {
            Ok((policy, rule)) => Explanation {
                reason: None,
                status: None,
                policy: Some(policy),
                rule,
                steps: Vec::new(),
                nearest: None,
            },
            Err(denial) => Explanation {
                reason: Some(denial.reason),
                status: Some(denial.status()),
                policy: denial.policy,
                rule: denial.rule.map(|rule| rule.to_string()),
                steps: Vec::new(),
                nearest: None,
            },
        };
        if let Some(plan) = self.gateways.get(question.known.gateway()) {
            let agent = self.agents.get(&question.known.agent().name).copied();
            let lookup = question.host.map(|host| self.query(question.known, &Lookup::of_host(host)));
            Inquiry { plan, agent, question, lookup }.tell(&mut explanation);
        }
        explanation
    }

    fn ask_request(
        &self,
        question: &Question<'_>,
        passage: Passage,
    ) -> Result<(PolicyRef, Option<String>), Denial> {
        let route = match question.request {
            Some(request) => self.request(question.known, &passage, request)?.route().clone(),
            None => passage.route().clone(),
        };
        Ok((route.policy, route.rule.map(|rule| rule.to_string())))
    }
}

struct Inquiry<'a> {
    plan: &'a GatewayPlan,
    agent: Option<usize>,
    question: &'a Question<'a>,
    /// Whether the name would be looked up, where there is one.
    lookup: Option<Result<Chooser, Denial>>,
}

impl Inquiry<'_> {
    fn tell(&self, explanation: &mut Explanation) {
        let mut step = |stage, text: String| explanation.steps.push(Step { stage, text });
        step("identity", self.identity());
        if let (Some(host), Some(lookup)) = (self.question.host, &self.lookup) {
            step("dns", self.dns(host, lookup));
            let given = if lookup.is_ok() { "taken as given" } else { "never given" };
            step("name", format!("{host}, {given} to the agent by DNS"));
        }
        if let Some(text) = explanation.reason.and_then(side_door) {
            step("protocol", text.to_owned());
        }
        step("deny", self.deny(explanation.reason));
        let (looked_at, opened) = self.routes();
        let verdict = match (explanation.reason, opened) {
            (None, true) => "one allows it",
            _ => "none allows it",
        };
        step("routes", format!("{looked_at} looked at, {verdict}"));
        let default = match self.plan.default {
            DefaultPolicy::DenyAll => "deny-all",
            DefaultPolicy::AllowAll => "allow-all",
        };
        step("default", format!("{default}, {}", self.plan.policy.0));
        if explanation.reason == Some(Reason::PolicyNoRoute) {
            explanation.nearest = self.nearest();
        }
    }

    fn identity(&self) -> String {
        let agent = self.question.known.agent();
        let mut of: Vec<&str> = Vec::new();
        let team = agent.team.as_deref().map(|team| format!("team {team}"));
        of.extend(team.as_deref());
        of.extend(agent.environment.as_deref());
        let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
        format!("{}{of}, gateway {}", agent.name, self.question.known.gateway())
    }

    /// Whether a resolver would hear of the name, and by which rule.
    fn dns(&self, host: &HostName, lookup: &Result<Chooser, Denial>) -> String {
        let rule = self.agent.and_then(|agent| query::naming_rule(self.plan, agent, host));
        let by = rule.map_or(&self.plan.policy, |route| &route.policy);
        match lookup {
            Ok(Chooser::Documents) => format!("answered, named by {}", by.0),
            Ok(Chooser::Agent) => {
                format!("answered, let through by {}; what such names carry is watched", by.0)
            }
            Err(denial) if denial.reason == Reason::ProtocolEncryptedDns => {
                "refused, no query leaves: it is a resolver that is spoken to in secret".to_owned()
            }
            Err(_) => "refused, no query leaves: no route of this agent names it".to_owned(),
        }
    }

    fn deny(&self, reason: Option<Reason>) -> String {
        match reason {
            Some(Reason::PolicyDenied) => "a deny policy matches".to_owned(),
            _ => "no rule matches".to_owned(),
        }
    }

    /// How many rules of this agent were looked at, and whether any of them allows.
    fn routes(&self) -> (usize, bool) {
        let l4 = self.l4().filter(|entry| self.mine(&entry.agents)).count();
        let http = self.http().filter(|entry| self.mine(&entry.agents)).count();
        (l4 + http, l4 + http > 0)
    }

    /// The L4 rules for the transport in question.
    fn l4(&self) -> impl Iterator<Item = &L4Entry> {
        self.plan.l4.iter().filter(|entry| entry.protocol == self.question.hello.transport())
    }

    /// The HTTP rules, where there can be HTTP.
    fn http(&self) -> impl Iterator<Item = &HttpEntry> {
        let over_tcp = self.question.hello.transport() == L4Protocol::Tcp;
        self.plan.http.iter().filter(move |_| over_tcp)
    }

    fn mine(&self, agents: &super::plan::Agents) -> bool {
        self.agent.is_some_and(|agent| agents.contains(agent))
    }

    /// A rule that names the host and misses by method, path, port or agent; else one for a similar host.
    fn nearest(&self) -> Option<String> {
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

/// What is refused before routes, and what would do instead.
fn side_door(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::ProtocolQuic => "QUIC is refused whatever routes say: clients fall back to TCP",
        Reason::ProtocolEncryptedDns => {
            "encrypted DNS is refused whatever routes say: the gateway answers DNS itself"
        }
        Reason::ProtocolConnect => {
            "CONNECT is refused whatever routes say: it leads on to a host that is not judged"
        }
        Reason::ProtocolNotTls => {
            "port 443 takes nothing but TLS: a route attached to a TCP listener alone (`sectionName`) opens it to more"
        }
        Reason::TlsEch => {
            "ECH hides the name that decides: open TLS, name the network by CIDR, or set `ech: Allow` on the listener"
        }
        _ => return None,
    })
}

fn allows(effect: &Effect) -> bool {
    matches!(effect, Effect::Allow)
}

fn names(hosts: &[crate::model::types::HostPattern], host: &HostName) -> bool {
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
    let one = |range: &crate::model::manifest::resources::PortRange| match range.start == range.end {
        true => format!("port {}", range.start),
        false => format!("ports {} to {}", range.start, range.end),
    };
    entry.ports.iter().map(one).collect::<Vec<_>>().join(", ")
}
