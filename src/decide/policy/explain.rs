//! Why a request would be decided as it would: the same two questions, with what was looked at along the way.
//!
//! For operators only: it names rules, which agents never hear of.

mod listeners;
mod lookup;
mod routes;
mod nearest;
mod rules;
mod services;
mod stages;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::approvals::is_approval;
use super::circumstances::Circumstances;
use super::connection::Flow;
use super::passage::Route;
use super::plan::{Effect, GatewayPlan, HttpEntry, L4Entry, PolicySet};
use super::query::{Leave, Lookup};
use crate::model::condition::Content;
use crate::model::manifest::resources::{DefaultPolicy, L4Protocol, ListenerProtocol};
use crate::model::types::address::classify;
use crate::model::types::{
    AddressClass, Decision, Denial, HostName, HostPattern, Injection, OriginalDestination, PolicyRef, Reason,
};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use crate::perceive::request::Request;
use stages::{approvals, credential, side_door, stage_of};

pub use listeners::Untaken;
pub use nearest::{Nearest, Unmet};

/// Stands for the address of a name that nobody has given to the agent: a public one (RFC 5737).
pub const SOME_PUBLIC_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A hypothetical connection, and the request on it where there is one.
#[derive(Debug, Clone, Copy)]
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
    /// What it would carry, where that is said.
    pub content: Option<&'a Content>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `identity`, `dns`, `name`, `protocol`, `destination`, `deny`, `rules`, `routes`, `default`, `approvals`, `dlp`,
    /// `credentials`.
    pub stage: &'static str,
    /// Whether it refuses.
    pub refuses: bool,
    /// What came of it.
    pub text: String,
}

/// A decision, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The word that the record would have.
    pub decision: Decision,
    /// The code, where it would be refused.
    pub reason: Option<Reason>,
    /// HTTP status of the refusal.
    pub status: Option<u16>,
    /// The document that speaks in the record.
    pub policy: Option<PolicyRef>,
    /// The rule in it.
    pub rule: Option<String>,
    /// What lets it through, where it would be.
    pub opened_by: Option<Route>,
    /// Whether a request was asked about that nobody would read: then the connection alone is judged.
    pub unread: bool,
    /// What was looked at, in order; the last is what decides.
    pub steps: Vec<Step>,
    /// The rule that comes nearest to allowing it.
    pub nearest: Option<Nearest>,
}

impl PolicySet {
    /// Explains what would be decided: as far as the head of a request tells, unless the question says what it would carry.
    /// Nothing is recorded, nothing is sent.
    pub fn explain(&self, question: &Question<'_>, circumstances: Circumstances<'_>) -> Explanation {
        let (let_through, denial) = match self.judged(question, circumstances) {
            Ok(let_through) => (Some(let_through), None),
            Err(denial) => (None, Some(denial)),
        };
        let reason = denial.as_ref().map(|denial| denial.reason);
        let (decision, policy, rule) = match (&let_through, &denial) {
            (Some(found), _) => {
                (found.decision, Some(found.speaks.policy.clone()), found.speaks.rule.clone())
            }
            (None, Some(denial)) => (denial.decision(), denial.policy.clone(), denial.rule.clone()),
            (None, None) => (Decision::Deny, None, None),
        };
        let given = let_through.as_ref().map(|found| found.credentials.clone()).unwrap_or_default();
        let reads = let_through
            .as_ref()
            .map_or_else(|| self.reads(question.known, question.hello), |found| found.reads);
        let dlp = let_through.as_ref().and_then(|found| found.dlp.clone());
        let mut explanation = Explanation {
            decision,
            reason,
            status: denial.as_ref().map(Denial::status),
            policy,
            rule: rule.map(|rule| rule.to_string()),
            unread: question.request.is_some() && let_through.is_some() && !reads,
            opened_by: let_through.map(|found| found.route),
            steps: Vec::new(),
            nearest: None,
        };
        if let Some(plan) = self.gateways.get(question.known.gateway()) {
            let agent = self.agents.get(&question.known.agent().name).copied();
            let lookup =
                question.host.map(|host| self.query(question.known, &Lookup::of_host(host), circumstances));
            let request = question.request.filter(|_| reads);
            let question = &Question { request, ..*question };
            let inquiry = Inquiry { plan, agent, question, lookup, denial, reads };
            let opener = explanation.opened_by.as_ref().map(|route| &route.policy);
            let opened = match opener {
                Some(policy) if *policy == plan.policy => "default",
                Some(policy) if is_approval(policy) => "approvals",
                _ => "routes",
            };
            let facts = inquiry.facts(&circumstances);
            let rules = inquiry.rules(&self.rules, &facts);
            let steps = inquiry.steps(opened, rules, opener, decision != Decision::Allow);
            explanation.steps = steps;
            explanation.steps.extend(dlp.map(|text| Step { stage: "dlp", refuses: false, text }));
            explanation.steps.extend(given.iter().map(|one| credential(one)));
            if matches!(reason, Some(Reason::PolicyNoRoute | Reason::McpServer)) {
                let waiting = inquiry.waiting(&self.rules, &facts);
                explanation.nearest = waiting.or_else(|| inquiry.nearest(&self.rules, &facts));
            }
        }
        explanation
    }

    /// Whether a listener would read requests on a connection that begins like this one.
    fn reads(&self, known: &Known, hello: &Hello) -> bool {
        let Some(plan) = self.gateways.get(known.gateway()) else { return false };
        match hello {
            Hello::Tls(_) => plan.listeners.has(ListenerProtocol::TlsTerminate),
            Hello::Http1(_) | Hello::Http2 => plan.listeners.has(ListenerProtocol::Http),
            Hello::Opaque | Hello::Silent | Hello::Datagram => false,
        }
    }

    /// Routes that can never work, because they allow an encrypted resolver that the list refuses: each with the name
    /// on the list, ordered.
    pub fn routes_to_listed_resolvers(&self) -> BTreeSet<(Arc<str>, String)> {
        let plans = self.gateways.values();
        let allowing = plans.flat_map(|plan| {
            let l4 = plan.l4.iter().map(|entry| (&entry.route, &entry.effect, &entry.hosts));
            let http = plan.http.iter().map(|entry| (&entry.route, &entry.effect, &entry.hosts));
            let services = plan.services.iter().map(|one| (&one.route, &one.effect, &one.hosts));
            l4.chain(http).chain(services)
        });
        let allowing = allowing.filter(|(_, effect, _)| allows(effect));
        let exact = allowing.flat_map(|(route, _, hosts)| hosts.iter().map(move |host| (route, host)));
        let listed = exact.filter_map(|(route, host)| {
            let HostPattern::Exact(name) = host else { return None };
            Some((route.policy.0.clone(), self.resolvers.listed(name)?.to_owned()))
        });
        listed.collect()
    }

    /// Both questions, one behind the other.
    fn judged(
        &self,
        question: &Question<'_>,
        circumstances: Circumstances<'_>,
    ) -> Result<LetThrough, Denial> {
        let flow = Flow {
            destination: OriginalDestination(question.destination),
            hello: question.hello,
            given: question.given,
            stale: question.stale,
            once: question.stale,
        };
        let passage =
            self.connection(question.known, flow, circumstances).map_err(|refusal| refusal.denial)?;
        let reads = passage.mode().reads_requests();
        Ok(match question.request.filter(|_| reads) {
            Some(request) => {
                let permit = self.request(question.known, &passage, request, circumstances)?;
                let clearance = match question.content {
                    Some(content) => permit.settle(content)?,
                    None => permit.so_far()?,
                };
                let dlp = clearance.inspection().map(|plan| plan.said());
                let credentials = clearance.credentials().to_vec();
                let through = LetThrough::new(clearance.route(), clearance.speaks(), reads);
                LetThrough { dlp, credentials, ..through }
            }
            None => LetThrough::new(passage.route(), passage.speaks(), reads),
        })
    }
}

/// What lets something through, and what its record would say.
struct LetThrough {
    route: Route,
    decision: Decision,
    speaks: Route,
    /// Whether its requests are read.
    reads: bool,
    /// What is looked for in it, where something is.
    dlp: Option<String>,
    /// What goes into it in the agent's place.
    credentials: Vec<Arc<Injection>>,
}

impl LetThrough {
    fn new(route: &Route, (decision, speaks): (Decision, &Route), reads: bool) -> Self {
        let (route, speaks) = (route.clone(), speaks.clone());
        Self { route, decision, speaks, reads, dlp: None, credentials: Vec::new() }
    }
}

struct Inquiry<'a> {
    plan: &'a GatewayPlan,
    agent: Option<usize>,
    question: &'a Question<'a>,
    /// Whether the name would be looked up, where there is one.
    lookup: Option<Result<Leave, Denial>>,
    denial: Option<Denial>,
    /// Whether its requests are read, or would be.
    reads: bool,
}

impl Inquiry<'_> {
    /// What was looked at, up to the stage that decides: behind it nothing was.
    /// `opened` is the stage that allows it, where one does, `rules` are the steps of rules, and `opener` is the document
    /// that allows it; `bound` where a rule speaks in its place.
    fn steps(
        &self,
        opened: &'static str,
        rules: Vec<Step>,
        opener: Option<&PolicyRef>,
        bound: bool,
    ) -> Vec<Step> {
        let by_rule = self.denial.as_ref().is_some_and(rules::refuses);
        let refuses = !by_rule && self.reason().is_some_and(|reason| stage_of(reason) == "identity");
        let mut steps = vec![Step { stage: "identity", refuses, text: self.identity() }];
        if refuses {
            return steps;
        }
        if let Some(lookup) = &self.lookup {
            steps.push(Step { stage: "dns", refuses: lookup.is_err(), text: lookup::told(lookup) });
        }
        let decides = match self.reason() {
            _ if by_rule => "rules",
            None => opened,
            Some(reason) => stage_of(reason),
        };
        for (stage, text) in [
            ("name", self.name()),
            ("protocol", self.protocol()),
            ("destination", self.destination()),
            ("deny", Some(self.deny())),
            ("rules", None),
            ("routes", Some(self.routes(opened, opener, bound))),
            ("default", Some(self.default())),
            ("approvals", Some(approvals(opener.filter(|policy| is_approval(policy))))),
        ] {
            if stage == "rules" {
                steps.extend(rules.iter().cloned());
            }
            let last = stage == decides;
            let refuses = last && self.denial.is_some();
            steps.extend(text.map(|text| Step { stage, refuses, text }));
            if last {
                break;
            }
        }
        steps
    }

    fn reason(&self) -> Option<Reason> {
        self.denial.as_ref().map(|denial| denial.reason)
    }

    fn identity(&self) -> String {
        let agent = self.question.known.agent();
        let mut of: Vec<&str> = Vec::new();
        let team = agent.team.as_deref().map(|team| format!("team {team}"));
        of.extend(team.as_deref());
        of.extend(agent.environment.as_deref());
        let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
        let shut = match &self.denial {
            // A rule that quarantines now says so itself.
            Some(denial) if denial.quarantine().is_some() => String::new(),
            Some(Denial { reason: Reason::IdentityQuarantined, evidence: Some(why), .. }) => {
                format!(", quarantined: {why}")
            }
            _ => String::new(),
        };
        format!("{}{of}, gateway {}{shut}", agent.name, self.question.known.gateway())
    }

    fn name(&self) -> Option<String> {
        let Some(host) = self.question.host else {
            let nameless = self.reason() == Some(Reason::TlsNoName);
            return nameless.then(|| {
                "TLS to an address has no server name (SNI), and no route names the network".to_owned()
            });
        };
        let given =
            if self.lookup.as_ref().is_some_and(Result::is_ok) { "taken as given" } else { "never given" };
        Some(format!("{host}, {given} to the agent by DNS"))
    }

    /// What is refused before routes, and what would do instead.
    fn protocol(&self) -> Option<String> {
        let denial = self.denial.as_ref()?;
        let text = side_door(denial.reason)?;
        let evidence = denial.evidence.as_deref().filter(|_| denial.reason == Reason::ProtocolEncryptedDns);
        Some(evidence.map_or_else(|| text.to_owned(), |evidence| format!("{evidence}; {text}")))
    }

    /// Whether the address may be dialled; nothing where a name leads to a public one.
    fn destination(&self) -> Option<String> {
        let address = self.question.destination.ip();
        let class = classify(address);
        if self.reason().is_some_and(|reason| stage_of(reason) == "destination") {
            return Some(format!("{address} is {class}, and no route names its network"));
        }
        match class {
            AddressClass::Public => self.question.host.is_none().then(|| format!("{address} is public")),
            _ => Some(format!("{address} is {class}, and a route names its network")),
        }
    }

    fn deny(&self) -> String {
        match self.reason() {
            Some(Reason::PolicyDenied) if !self.denial.as_ref().is_some_and(rules::refuses) => {
                "a deny policy matches".to_owned()
            }
            _ => "no rule matches".to_owned(),
        }
    }

    /// How many rules of this agent were looked at, and whether one of them allows.
    fn routes(&self, opened: &str, opener: Option<&PolicyRef>, bound: bool) -> String {
        let verdict = match opener {
            Some(policy) if policy.0.starts_with("EgressPolicy/") => {
                format!("none allows it, {} does", policy.0)
            }
            Some(policy) if opened == "routes" && bound => format!("{} allows it", policy.0),
            Some(_) if opened == "routes" => "one allows it".to_owned(),
            _ => "none allows it".to_owned(),
        };
        format!("{} looked at, {verdict}{}", self.looked_at(), self.on_content())
    }

    fn default(&self) -> String {
        let default = match self.plan.default {
            DefaultPolicy::DenyAll => "deny-all",
            DefaultPolicy::AllowAll => "allow-all",
        };
        format!("{default}, {}", self.plan.policy.0)
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
}

fn allows(effect: &Effect) -> bool {
    matches!(effect, Effect::Allow)
}
