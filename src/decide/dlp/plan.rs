//! What policies say of findings, for what one agent sends or is sent: which classes are looked for, and what becomes of each
//! finding. All policies that apply hold; the strongest action counts, and the policy that asks for it is named.
//!
//! Compiled once with its set and shared. Looks at no byte. Read next: `inspected.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;

use super::detect::Detectors;
use super::hash::HashKey;
use super::inspect::{Inspector, Known, Match};
use crate::model::manifest::resources::{ClassRule, DlpPolicy};
use crate::model::types::{Direction, FindingAction, FindingClasses, PolicyRef};

/// One DLPPolicy.
#[derive(Debug)]
pub struct Terms {
    policy: PolicyRef,
    classes: Vec<ClassRule>,
    /// The detectors of all documents of its set; of those that are not its own it says nothing.
    custom: Arc<BTreeSet<Arc<str>>>,
    own: BTreeSet<Arc<str>>,
    blocks_unscannable: bool,
    blocks_over_hold: bool,
}

/// All that hold for one message, and what finds what they ask for.
#[derive(Debug, Clone)]
pub struct Inspection {
    detectors: Arc<Detectors>,
    /// The detectors of all documents of the set.
    custom: Arc<BTreeSet<Arc<str>>>,
    /// By their names.
    terms: SmallVec<[Arc<Terms>; 2]>,
}

impl Terms {
    /// A document of a valid set; `all` are the names of the detectors of every document.
    pub fn new(name: &str, document: &DlpPolicy, all: &Arc<BTreeSet<Arc<str>>>) -> Self {
        Self {
            policy: PolicyRef::new("DLPPolicy", name),
            classes: document.classes.clone(),
            custom: all.clone(),
            own: document.custom.iter().map(|one| one.name.clone()).collect(),
            blocks_unscannable: document.blocks_unscannable,
            blocks_over_hold: document.blocks_over_hold,
        }
    }

    fn knows(&self, detector: &str) -> bool {
        !self.custom.contains(detector) || self.own.contains(detector)
    }

    fn rules(&self, way: Direction) -> impl Iterator<Item = &ClassRule> {
        self.classes.iter().filter(move |rule| rule.ways.has(way))
    }

    /// What it says of a finding; nothing where it is none to it.
    fn action(&self, found: &Match, way: Direction) -> Option<FindingAction> {
        let holds = |rule: &&ClassRule| {
            let listed = rule.detectors.is_empty() && self.knows(found.detector.as_str())
                || rule.detectors.iter().any(|name| **name == *found.detector.as_str());
            rule.class == found.class
                && listed
                && found.confidence >= rule.least
                && (rule.examples || !found.is_example)
        };
        let said = self.rules(way).filter(holds).map(|rule| rule.action).max();
        // No answer tells a secret of the vault, whatever is asked of answers otherwise.
        if way == Direction::Down && found.is_of_vault() {
            said.max(Some(FindingAction::Redact))
        } else {
            said
        }
    }

    fn stops(&self, way: Direction) -> bool {
        self.rules(way).any(|rule| rule.action.stops())
    }
}

impl Inspection {
    /// What these policies ask for, which come by their names; `custom` are the detectors of all documents of their set.
    pub fn new(
        (detectors, custom): (Arc<Detectors>, Arc<BTreeSet<Arc<str>>>),
        terms: impl IntoIterator<Item = Arc<Terms>>,
    ) -> Self {
        Self { detectors, custom, terms: terms.into_iter().collect() }
    }

    /// With what these ask for besides.
    #[must_use]
    pub fn and<'t>(mut self, others: impl IntoIterator<Item = &'t Arc<Terms>>) -> Self {
        for other in others {
            if !self.terms.iter().any(|known| Arc::ptr_eq(known, other)) {
                self.terms.push(other.clone());
            }
        }
        self.terms.sort_by(|one, other| one.policy.0.cmp(&other.policy.0));
        self
    }

    /// The policies that hold.
    pub fn terms(&self) -> &[Arc<Terms>] {
        &self.terms
    }

    /// Which policies hold and what they look for, for people: `DLPPolicy/secrets: keys (Block), pii (Redact)`.
    pub fn said(&self) -> String {
        let one = |terms: &Arc<Terms>| {
            let mut rules: Vec<String> = Vec::new();
            for rule in &terms.classes {
                let way = if rule.ways.has(Direction::Up) { "" } else { " of answers" };
                let text = format!("{}{way} ({})", rule.class.as_str(), rule.action.as_str());
                if !rules.contains(&text) {
                    rules.push(text);
                }
            }
            format!("{}: {}", terms.policy.0, rules.join(", "))
        };
        self.terms.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// The classes that are looked for in what goes this way.
    pub fn wanted(&self, way: Direction) -> FindingClasses {
        let rules = self.terms.iter().flat_map(|terms| terms.rules(way));
        rules.map(|rule| rule.class).fold(FindingClasses::default(), FindingClasses::with)
    }

    /// Whether something of it may have to be stopped or changed.
    pub fn stops(&self, way: Direction) -> bool {
        self.terms.iter().any(|terms| terms.stops(way))
    }

    /// Whether something of it may have to be changed.
    pub fn changes(&self, way: Direction) -> bool {
        let mut rules = self.terms.iter().flat_map(|terms| terms.rules(way));
        rules.any(|rule| rule.action == FindingAction::Redact)
    }

    /// What looks for these classes.
    pub fn inspector(
        &self,
        known: Option<Arc<dyn Known>>,
        key: HashKey,
        wanted: FindingClasses,
    ) -> Inspector {
        Inspector::new(self.detectors.clone(), known, key, wanted)
    }

    /// What becomes of a finding, and by which policy; nothing where none says anything of it.
    pub fn action(&self, found: &Match, way: Direction) -> Option<(FindingAction, &PolicyRef)> {
        let said = self.terms.iter().filter_map(|terms| Some((terms.action(found, way)?, &terms.policy)));
        said.reduce(|first, other| if other.0 > first.0 { other } else { first })
    }

    /// The policy that has what cannot be inspected refused, where one does.
    pub fn unscannable(&self, way: Direction) -> Option<&PolicyRef> {
        let demands = |terms: &&Arc<Terms>| terms.blocks_unscannable && terms.stops(way);
        self.terms.iter().find(demands).map(|terms| &terms.policy)
    }

    /// The policy that has what is longer than what is held refused, where one does.
    pub fn over_hold(&self, way: Direction) -> Option<&PolicyRef> {
        let demands = |terms: &&Arc<Terms>| terms.blocks_over_hold && terms.stops(way);
        self.terms.iter().find(demands).map(|terms| &terms.policy)
    }

    /// Whether a document's own detector has found it.
    pub fn is_custom(&self, found: &Match) -> bool {
        self.custom.contains(found.detector.as_str())
    }

    /// Whether rules see a finding: an example is none to them, and neither is what a document's detector finds that does not apply.
    pub fn shows(&self, found: &Match) -> bool {
        let applies = || self.terms.iter().any(|terms| terms.own.contains(found.detector.as_str()));
        !found.is_example && (!self.is_custom(found) || applies())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{personal, secrets};
    use super::*;
    use crate::model::types::FindingClass;
    use crate::model::types::detectors::DETECTORS;

    #[test]
    fn documents_know_the_detectors_of_the_catalogue() {
        let all = secrets::CATALOGUE.iter().copied().flatten().chain(personal::CATALOGUE);
        let mut all: Vec<_> = all.map(|entry| (entry.name, entry.class)).collect();
        all.sort_unstable();
        let lines = |list: &[(&str, FindingClass)]| -> Vec<String> {
            list.iter().map(|(name, class)| format!("    (\"{name}\", {class:?}),")).collect()
        };
        let (known, found) = (lines(DETECTORS), lines(&all));
        assert!(
            known == found,
            "`model/types/detectors.rs` has other lines than these:\n{}",
            found.join("\n")
        );
    }

    fn rule(class: FindingClass, action: FindingAction) -> ClassRule {
        let ways = crate::model::types::FindingWays::Outbound;
        ClassRule { class, action, least: 0.5, ways, detectors: Vec::new(), examples: false }
    }

    fn terms(name: &str, classes: Vec<ClassRule>) -> Arc<Terms> {
        let document = DlpPolicy {
            target: None,
            classes,
            custom: Vec::new(),
            blocks_unscannable: true,
            blocks_over_hold: false,
            origin: crate::model::manifest::resources::Origin { file: "a.yaml".into(), line: 1 },
        };
        Arc::new(Terms::new(name, &document, &Arc::default()))
    }

    fn found(class: FindingClass, detector: &'static str, confidence: f32) -> Match {
        Match {
            range: 0..1,
            class,
            detector: detector.into(),
            confidence,
            is_example: false,
            location: "body".to_owned().into(),
            hash: String::new(),
        }
    }

    fn inspection(terms: Vec<Arc<Terms>>) -> Inspection {
        Inspection::new((Arc::new(Detectors::built_in()), Arc::default()), terms)
    }

    #[test]
    fn the_strongest_action_of_all_policies_whose_threshold_is_met_counts() {
        let sure = ClassRule { least: 0.9, ..rule(FindingClass::Pii, FindingAction::Block) };
        let plan = inspection(vec![
            terms("a", vec![rule(FindingClass::Pii, FindingAction::Alert)]),
            terms("b", vec![sure, rule(FindingClass::Keys, FindingAction::Redact)]),
        ]);
        let said = |class, confidence| {
            let said = plan.action(&found(class, "iban", confidence), Direction::Up);
            said.map(|(action, policy)| (action, policy.0.to_string()))
        };
        assert_eq!(said(FindingClass::Pii, 0.95), Some((FindingAction::Block, "DLPPolicy/b".to_owned())));
        assert_eq!(said(FindingClass::Pii, 0.6), Some((FindingAction::Alert, "DLPPolicy/a".to_owned())));
        assert_eq!(said(FindingClass::Pii, 0.4), None, "below every threshold");
        assert_eq!(said(FindingClass::Phi, 1.0), None, "no policy asks for it");
        assert_eq!(plan.action(&found(FindingClass::Keys, "x", 1.0), Direction::Down), None, "the other way");
        assert!(plan.stops(Direction::Up) && !plan.stops(Direction::Down));
        assert_eq!(plan.unscannable(Direction::Up).map(|policy| &*policy.0), Some("DLPPolicy/b"));
    }

    #[test]
    fn examples_and_detectors_count_as_a_policy_says() {
        let one =
            ClassRule { detectors: vec!["iban".into()], ..rule(FindingClass::Pii, FindingAction::Block) };
        let plan = inspection(vec![terms("a", vec![one.clone()])]);
        let example = Match { is_example: true, ..found(FindingClass::Pii, "iban", 1.0) };
        assert!(plan.action(&found(FindingClass::Pii, "iban", 1.0), Direction::Up).is_some());
        assert!(plan.action(&found(FindingClass::Pii, "payment-card", 1.0), Direction::Up).is_none());
        assert!(plan.action(&example, Direction::Up).is_none());
        assert!(!plan.shows(&example));
        let all = inspection(vec![terms("a", vec![ClassRule { examples: true, ..one }])]);
        assert!(all.action(&example, Direction::Up).is_some());
    }
}
