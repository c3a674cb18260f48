//! A look-up by itself, taken apart: nothing is known yet but who asks, for which name, and when.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::rules;
use super::stages::{approvals, stage_of};
use super::{Explanation, Inquiry, Question, Step};
use crate::decide::policy::approvals::is_approval;
use crate::decide::policy::circumstances::Circumstances;
use crate::decide::policy::plan::PolicySet;
use crate::decide::policy::query::{Chooser, Leave, Lookup};
use crate::model::types::{Decision, Denial, HostName, PolicyRef, Reason};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;

impl PolicySet {
    /// Explains what would become of a look-up of this name. Nothing is recorded, nothing is sent.
    pub fn explain_lookup(
        &self,
        known: &Known,
        host: &HostName,
        circumstances: Circumstances<'_>,
    ) -> Explanation {
        let lookup = self.query(known, &Lookup::of_host(host), circumstances);
        let (leave, denial) = (lookup.as_ref().ok(), lookup.as_ref().err().cloned());
        let (by, reason) =
            (leave.map(|leave| leave.route().clone()), denial.as_ref().map(|denial| denial.reason));
        let spoken = match (&by, &denial) {
            (Some(by), _) => (Some(by.policy.clone()), by.rule.clone()),
            (None, Some(denial)) => (denial.policy.clone(), denial.rule.clone()),
            (None, None) => (None, None),
        };
        let mut explanation = Explanation {
            decision: denial.as_ref().map_or(Decision::Allow, Denial::decision),
            reason,
            status: None,
            policy: spoken.0,
            rule: spoken.1.map(|rule| rule.to_string()),
            opened_by: by,
            unread: false,
            steps: Vec::new(),
            nearest: None,
        };
        let Some(plan) = self.gateways.get(known.gateway()) else { return explanation };
        // It leads nowhere yet, and nothing is said.
        let question = Question {
            known,
            host: Some(host),
            given: &[],
            stale: &[],
            destination: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            hello: &Hello::Silent,
            request: None,
            content: None,
        };
        let agent = self.agents.get(&known.agent().name).copied();
        let inquiry =
            Inquiry { plan, agent, question: &question, lookup: Some(lookup), denial, reads: false };
        let facts = inquiry.facts(&circumstances);
        let rules = inquiry.rules(&self.rules, &facts);
        let opener = explanation.opened_by.as_ref().map(|route| &route.policy);
        explanation.steps = inquiry.steps_of_lookup(rules, opener);
        if reason == Some(Reason::DnsDenied) {
            explanation.nearest = inquiry.nearest(&self.rules, &facts);
        }
        explanation
    }
}

impl Inquiry<'_> {
    /// What was looked at; the last is what comes of it.
    fn steps_of_lookup(&self, rules: Vec<Step>, opener: Option<&PolicyRef>) -> Vec<Step> {
        let shut_out = self.denial.as_ref().is_some_and(is_shut_out);
        let mut steps = vec![Step { stage: "identity", refuses: shut_out, text: self.identity() }];
        if shut_out {
            return steps;
        }
        let step = |stage, text| Step { stage, refuses: false, text };
        if let Some(text) = self.protocol() {
            steps.push(step("protocol", text));
        } else {
            steps.push(step("routes", self.routes_naming(opener)));
            if !opener.is_some_and(is_route) {
                steps.push(step("default", self.default()));
                steps.push(step("approvals", approvals(opener.filter(|policy| is_approval(policy)))));
            }
            steps.extend(rules);
        }
        let refuses = self.denial.is_some();
        steps.extend(self.lookup.iter().map(|lookup| Step { stage: "dns", refuses, text: told(lookup) }));
        steps
    }

    /// How many rules of routes were looked at, and which of them names it.
    fn routes_naming(&self, opener: Option<&PolicyRef>) -> String {
        let l4 = self.plan.l4.iter().filter(|entry| self.mine(&entry.agents)).count();
        let http = self.plan.http.iter().filter(|entry| self.mine(&entry.agents)).count();
        let services = self.plan.services.iter().filter(|one| self.mine(&one.agents)).count();
        let names = match opener.filter(|policy| is_route(policy)) {
            Some(policy) => &policy.0,
            None => "none",
        };
        format!("{} looked at, {names} names it", l4 + http + services)
    }
}

fn is_route(policy: &PolicyRef) -> bool {
    let kinds = ["EgressL4Route/", "EgressHTTPRoute/", "AIProviderRoute/", "MCPRoute/", "McpServer/"];
    kinds.iter().any(|kind| policy.0.starts_with(kind))
}

/// Whether the agent is in quarantine already, or nobody's any more.
fn is_shut_out(denial: &Denial) -> bool {
    stage_of(denial.reason) == "identity" && !rules::refuses(denial)
}

/// Whether a resolver would hear of the name.
pub(super) fn told(lookup: &Result<Leave, Denial>) -> String {
    match lookup.as_ref().map(Leave::chooser) {
        Ok(Chooser::Documents) => "answered: a document writes this name out",
        Ok(Chooser::Agent | Chooser::Wildcard(_)) => {
            "answered: a wildcard, a route for every host, a rule or the default lets it through; what such names carry is watched"
        }
        Err(denial) if denial.reason == Reason::ProtocolEncryptedDns => {
            "refused, no query leaves: it is an encrypted DNS resolver"
        }
        Err(denial) if is_shut_out(denial) => "refused, no query leaves: the agent is quarantined",
        Err(denial) if rules::speaks(denial) => "refused, no query leaves: a rule refuses it",
        Err(_) => "refused, no query leaves: no route of this agent names it",
    }
    .to_owned()
}
