//! The rule that comes nearest to allowing what was refused: of a route what it names, of an Allow rule the part of its
//! condition that was false. Read next: `routes.rs`.

use super::Inquiry;
use crate::decide::policy::passage::Route;
use crate::decide::policy::rules::{Rule, Rules};
use crate::model::condition::{Facts, Part, Unevaluable};
use crate::model::manifest::resources::RuleAction;

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
    /// A route that names the host and misses by something else; else an Allow rule of whose condition a part holds;
    /// else a route for other agents, one for a similar host, or any Allow rule.
    pub(super) fn nearest(&self, rules: &Rules, facts: &Facts<'_>) -> Option<Nearest> {
        let missed = self.missed(rules, facts);
        let (partly, wholly) = match missed {
            Some(missed) if missed.partly => (Some(missed.nearest), None),
            missed => (None, missed.map(|missed| missed.nearest)),
        };
        let own = || self.own_route().map(Nearest::from);
        let Some(host) = self.question.host else { return own().or(partly).or(wholly) };
        let other = || self.route_of_others(host).or_else(|| self.similar(host)).map(Nearest::from);
        own().or(partly).or_else(other).or(wholly)
    }

    /// The Allow rule of this agent that misses by the fewest parts of its condition; of equal ones the first.
    fn missed(&self, rules: &Rules, facts: &Facts<'_>) -> Option<Missed> {
        let allowing = rules.of(self.agent?).filter(|rule| rule.action == RuleAction::Allow);
        let missed = allowing.filter_map(|rule| missed_by(rule, facts));
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
