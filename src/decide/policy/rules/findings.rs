//! What rules come to: a refusal, an opening, or obligations.
//!
//! All rules that hold count; which of them speaks in a record is settled here: quarantine, deny, a condition that
//! fails, throttle, transform, alert, log-only; of equal ones the first.

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::{Rule, Says};
use crate::decide::policy::circumstances::Circumstances;
use crate::decide::policy::obligations::{Obligations, Throttle};
use crate::decide::policy::passage::Route;
use crate::decide::policy::words;
use crate::model::condition::{Facts, Part, Uses};
use crate::model::manifest::resources::RuleAction;
use crate::model::types::{Decision, Denial, HostName};
use crate::perceive::identity::Known;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::decide::policy) struct Findings<'r> {
    holding: SmallVec<[&'r Rule; 4]>,
    /// The first Allow rule that has to see a request, or what it carries.
    waiting: Option<&'r Rule>,
    /// What rules that wait ask of what a request carries.
    asks: Uses,
    /// The first rule whose condition could not be evaluated, and why.
    failed: Option<(&'r Rule, String)>,
    /// The first rule that may refuse, by an address that nobody knows yet.
    unconfirmed: bool,
    /// Whether a rule may refuse by a request that nobody has read yet.
    unread: bool,
}

/// How a rule lets something through.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide::policy) enum Opens<'r> {
    /// Whatever is said.
    Always(&'r Rule),
    /// Where requests are read: each of them has to meet the condition.
    Requests(&'r Rule),
}

/// Whose traffic is judged, and where it leads.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide::policy) struct Concerned<'a> {
    pub known: &'a Known,
    pub host: Option<&'a HostName>,
    pub destination: SocketAddr,
    pub circumstances: Circumstances<'a>,
}

impl<'r> Findings<'r> {
    pub(super) fn of(rules: impl Iterator<Item = &'r Rule>, facts: &Facts<'_>) -> Self {
        let mut found = Self::default();
        for rule in rules {
            let says = rule.says(facts);
            if let Says::NotYet(_) = says {
                found.asks = found.asks.and(rule.asks);
            }
            match says {
                Says::Holds => found.holding.push(rule),
                Says::HoldsNot => {}
                Says::NotYet(Part::DestinationAddress) if rule.refuses() => found.unconfirmed = true,
                // An agent that names another address than it was given is no less watched or held back.
                Says::NotYet(Part::DestinationAddress) if rule.action != RuleAction::Allow => {
                    found.holding.push(rule);
                }
                Says::NotYet(Part::DestinationAddress) => {}
                Says::NotYet(_) if rule.action == RuleAction::Allow => {
                    found.waiting = found.waiting.or(Some(rule));
                }
                Says::NotYet(part) if part == Part::Request || part.is_of_content() => {
                    found.unread |= rule.refuses();
                }
                Says::NotYet(_) => {}
                Says::Fails(why) => found.failed = found.failed.or(Some((rule, why))),
            }
        }
        found
    }

    /// Whether a rule refuses, or one cannot say.
    ///
    /// # Errors
    /// `identity.quarantined`, `policy.denied`, `policy.unevaluable`; `name.unverified` where a rule may refuse the
    /// address that the gateway's own answer for a name would lead to.
    pub(in crate::decide::policy) fn check(&self, concerned: &Concerned<'_>) -> Result<(), Denial> {
        self.quarantine(concerned)?;
        if let Some(rule) = self.first(|action| matches!(action, RuleAction::Deny { .. })) {
            return Err(words::denied_by_rule(concerned.known, rule));
        }
        self.failure(concerned)?;
        if self.unconfirmed {
            return Err(words::unverified(concerned.known, concerned.host, concerned.destination));
        }
        Ok(())
    }

    /// What rules that wait ask of what a request carries.
    pub(in crate::decide::policy) fn asks(&self) -> Uses {
        self.asks
    }

    /// Whether a rule may refuse by what requests say.
    pub(in crate::decide::policy) fn has_to_read(&self) -> bool {
        self.unread
    }

    /// Whether a rule puts the agent away.
    ///
    /// # Errors
    /// `identity.quarantined`.
    pub(super) fn quarantine(&self, concerned: &Concerned<'_>) -> Result<(), Denial> {
        match self.first(|action| matches!(action, RuleAction::Quarantine { .. })) {
            Some(rule) => Err(words::quarantined_by_rule(concerned.known, rule, concerned.circumstances.at)),
            None => Ok(()),
        }
    }

    /// Whether a condition failed.
    ///
    /// # Errors
    /// `policy.unevaluable`.
    pub(super) fn failure(&self, concerned: &Concerned<'_>) -> Result<(), Denial> {
        match &self.failed {
            Some((rule, why)) => Err(words::unevaluable(concerned.known, rule, why)),
            None => Ok(()),
        }
    }

    /// The rule that lets through what no route names.
    pub(in crate::decide::policy) fn opens(&self) -> Option<Opens<'r>> {
        let always = self.first(|action| *action == RuleAction::Allow).map(Opens::Always);
        always.or(self.waiting.map(Opens::Requests))
    }

    pub(super) fn first(&self, is: impl Fn(&RuleAction) -> bool) -> Option<&'r Rule> {
        self.holding.iter().find(|rule| is(&rule.action)).copied()
    }

    /// The same for a connection: what only changes or counts requests binds none.
    pub(in crate::decide::policy) fn of_connection(mut self) -> Self {
        self.holding.retain(|rule| match &rule.action {
            RuleAction::Transform(_) => false,
            RuleAction::Throttle(rates) => rates.bytes.is_some(),
            _ => true,
        });
        self
    }

    /// What binds that which `route` lets through, by these rules and those of the route itself.
    pub(in crate::decide::policy) fn bind(self, behind: Self, route: &Route) -> Option<Box<Obligations>> {
        let mut rules = self.holding;
        rules.extend(behind.holding);
        rules.retain(|rule| weight(&rule.action).is_some());
        rules.sort_by_key(|rule| rule.rank);
        let speaks = rules.iter().min_by_key(|rule| weight(&rule.action).map(|(weight, _)| weight))?;
        let mut bound = Obligations {
            decision: weight(&speaks.action).map_or(Decision::Allow, |(_, decision)| decision),
            by: speaks.place(),
            evidence: evidence(route, &rules),
            throttles: SmallVec::new(),
            transforms: SmallVec::new(),
        };
        for rule in &rules {
            match &rule.action {
                RuleAction::Throttle(rates) => bound.throttles.push(Throttle {
                    policy: rule.policy.clone(),
                    rule: rule.name.clone(),
                    rates: *rates,
                }),
                RuleAction::Transform(transform) => bound.transforms.push(transform.clone()),
                _ => {}
            }
        }
        // What is done last counts, and that is for the rule that comes first to say.
        bound.transforms.reverse();
        Some(Box::new(bound))
    }
}

/// How early a rule that lets through speaks, and in which word.
fn weight(action: &RuleAction) -> Option<(u8, Decision)> {
    match action {
        RuleAction::Throttle(_) => Some((0, Decision::Throttle)),
        RuleAction::Transform(_) => Some((1, Decision::Transform)),
        RuleAction::Alert => Some((2, Decision::Alert)),
        RuleAction::LogOnly(_) => Some((3, Decision::LogOnly)),
        RuleAction::Allow | RuleAction::Deny { .. } | RuleAction::Quarantine { .. } => None,
    }
}

/// `let through by EgressHTTPRoute/read rules[0]; EgressPolicy/watch big would have denied it`.
fn evidence(route: &Route, rules: &[&Rule]) -> String {
    let rule = route.rule.as_deref().map(|rule| format!(" {rule}")).unwrap_or_default();
    let mut text = format!("let through by {}{rule}", route.policy.0);
    for rule in rules {
        let (would_have, does) = match &rule.action {
            RuleAction::Throttle(_) => ("", "throttles it"),
            RuleAction::Transform(_) => ("", "transforms it"),
            RuleAction::Alert => ("", "raises an alert"),
            RuleAction::LogOnly(would) => ("would have ", would.done()),
            RuleAction::Allow | RuleAction::Deny { .. } | RuleAction::Quarantine { .. } => continue,
        };
        text.push_str(&format!("; {} {} {would_have}{does}", rule.policy.0, rule.name));
    }
    text
}
