//! What each rule that was looked at came to, in words.

use super::{Inquiry, Nearest, SOME_PUBLIC_ADDRESS, Step};
use crate::decide::policy::circumstances::Circumstances;
use crate::decide::policy::passage::Route;
use crate::decide::policy::plan::PolicySet;
use crate::decide::policy::rules::{Rule, Rules, Says};
use crate::model::condition::{Destination, Facts, Part, RequestFacts};
use crate::model::manifest::resources::RuleAction;
use crate::model::types::{Denial, Reason};
use crate::perceive::identity::Known;

/// Rules that are told one by one; of more the number.
const TOLD: usize = 50;

/// Whether a rule of an EgressPolicy is what the denial names.
pub(super) fn speaks(denial: &Denial) -> bool {
    denial.policy.as_ref().is_some_and(|policy| policy.0.starts_with("EgressPolicy/"))
}

/// Whether a rule of an EgressPolicy refuses.
pub(super) fn refuses(denial: &Denial) -> bool {
    let by_rule = matches!(denial.reason, Reason::PolicyDenied | Reason::PolicyUnevaluable);
    speaks(denial) && by_rule || denial.quarantine().is_some()
}

impl PolicySet {
    /// The first rule that can concern the agent and asks what time it is.
    pub fn asks_for_the_time(&self, known: &Known) -> Option<Route> {
        let agent = *self.agents.get(&known.agent().name)?;
        let asks = |rule: &&Rule| rule.when().is_some_and(|when| when.uses().has(Part::Time));
        self.rules.of(agent).find(asks).map(Rule::place)
    }
}

impl Inquiry<'_> {
    /// The first rule that lets it through where what the request carries meets its condition.
    pub(super) fn waiting(&self, rules: &Rules, facts: &Facts<'_>) -> Option<Nearest> {
        let waits = |rule: &&Rule| matches!(rule.says(facts), Says::NotYet(part) if part.is_of_content());
        let rule = rules.of(self.agent?).filter(|rule| rule.action == RuleAction::Allow).find(waits)?;
        let text = format!("{} {} allows it where its content meets the condition", rule.policy.0, rule.name);
        Some(text.into())
    }

    /// A step for each rule of this agent.
    pub(super) fn rules(&self, rules: &Rules, facts: &Facts<'_>) -> Vec<Step> {
        let Some(agent) = self.agent else { return Vec::new() };
        let refused = self.denial.as_ref().filter(|denial| refuses(denial));
        let decides = |rule: &Rule| {
            refused.is_some_and(|denial| {
                denial.policy.as_ref() == Some(&rule.policy) && denial.rule.as_ref() == Some(&rule.name)
            })
        };
        let step = |refuses, text| Step { stage: "rules", refuses, text };
        let mut steps: Vec<Step> = rules
            .of(agent)
            .take(TOLD)
            .filter(|rule| !decides(rule))
            .map(|rule| step(false, self.told(rule, facts)))
            .collect();
        let more = rules.of(agent).count().saturating_sub(TOLD);
        if more > 0 {
            steps.push(step(false, format!("and {more} more")));
        }
        // What decides stands last.
        steps.extend(
            rules.of(agent).find(|rule| decides(rule)).map(|rule| step(true, self.told(rule, facts))),
        );
        steps
    }

    /// What conditions are judged by.
    pub(super) fn facts<'f>(&'f self, circumstances: &'f Circumstances<'f>) -> Facts<'f> {
        let question = self.question;
        // A look-up leads nowhere yet.
        let place = Some(question.destination).filter(|place| place.port() != 0);
        let (address, port) = (place.map(|place| place.ip()), place.map(|place| place.port()));
        Facts {
            agent: question.known.agent(),
            destination: Destination { host: question.host, address, port },
            request: question.request.map(|request| request as &dyn RequestFacts),
            content: question.content,
            usage: circumstances.usage.as_ref(),
            at: circumstances.at,
        }
    }

    /// What it comes to, and where that is by an address that is only supposed.
    fn told(&self, rule: &Rule, facts: &Facts<'_>) -> String {
        let (host, address) = (facts.destination.host, facts.destination.address);
        let supposed = host.filter(|_| address == Some(SOME_PUBLIC_ADDRESS));
        let told = told(rule, facts, self.reads);
        match supposed.filter(|_| rule.asks_for(Part::DestinationAddress)) {
            Some(host) => {
                format!("{told}, if {host} leads to a public address such as {SOME_PUBLIC_ADDRESS}")
            }
            None => told,
        }
    }
}

/// `EgressPolicy/nights big: Deny, holds`.
fn told(rule: &Rule, facts: &Facts<'_>, reads: bool) -> String {
    let does = match &rule.action {
        RuleAction::LogOnly(would) => format!("LogOnly, would have {}", would.done()),
        action => action.as_str().to_owned(),
    };
    let says = match rule.says(facts) {
        Says::Holds => "holds".to_owned(),
        Says::HoldsNot => "does not hold".to_owned(),
        Says::NotYet(part) if facts.destination.port.is_none() => {
            format!("needs `{}`, which a name alone does not tell", part.as_str())
        }
        Says::NotYet(part) if part.is_of_content() => "is asked after the content is read".to_owned(),
        Says::NotYet(Part::Request) if reads => "is asked again with each request".to_owned(),
        Says::NotYet(Part::Request) => "needs `request`, and nobody reads one here".to_owned(),
        Says::NotYet(part) => format!("needs `{}`, which is not known here", part.as_str()),
        Says::Fails(why) => format!("could not be evaluated: {why}"),
    };
    let scope = rule.route().map(|route| format!(", for what {} lets through", route.0)).unwrap_or_default();
    format!("{} {}: {does}, {says}{scope}", rule.policy.0, rule.name)
}
