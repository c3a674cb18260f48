//! Which DLPPolicies hold for what an agent sends: those for the agent wherever it goes, and those for what a route lets
//! through. All of them hold.
//!
//! The automata of a set are made once and shared, and not at all where nothing asks for findings. Looks at no byte. Read next:
//! `decide/dlp/plan.rs`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::index::Map;
use super::rules::{is_aimed_at, route_of};
use crate::decide::dlp::{CustomForm, CustomPattern, Detectors, Inspection, Terms};
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{CustomDetector, Finds};
use crate::model::types::PolicyRef;

/// All DLPPolicies of a set.
#[derive(Debug, Default)]
pub(super) struct Inspections {
    /// For each agent what holds wherever it goes; agents with the same policies share it.
    of_agents: Vec<Option<Arc<Inspection>>>,
    /// By the route, as records name it.
    behind: Map<Arc<str>, Vec<Arc<Terms>>>,
    /// What no policy asks for and rules do; nothing where neither does.
    bare: Option<Arc<Inspection>>,
    /// What any policy asks for; nothing where there is none.
    all: Option<Arc<Inspection>>,
}

impl Inspections {
    /// Compiles the policies of a valid set, for agents in the order of their names. `asked` says whether a rule asks for findings.
    pub(super) fn compile(resources: &Resources, asked: bool) -> Self {
        if resources.dlp_policies.is_empty() && !asked {
            return Self::default();
        }
        let custom = resources.dlp_policies.values().flat_map(|policy| &policy.custom);
        let patterns: Vec<CustomPattern> = custom.clone().map(pattern).collect();
        let detectors = Detectors::with(&patterns)
            .expect("invariant: the loader has made every pattern with the same bounds");
        let detectors = Arc::new(detectors);
        let names: Arc<BTreeSet<Arc<str>>> = Arc::new(custom.map(|one| one.name.clone()).collect());
        let inspection =
            |terms: Vec<Arc<Terms>>| Arc::new(Inspection::new((detectors.clone(), names.clone()), terms));
        let (mut behind, mut everywhere) = (Map::<Arc<str>, Vec<Arc<Terms>>>::default(), Vec::new());
        let mut all = Vec::new();
        for (name, policy) in &resources.dlp_policies {
            let terms = Arc::new(Terms::new(name, policy, &names));
            all.push(terms.clone());
            match policy.target.as_ref().and_then(route_of) {
                Some(route) => behind.entry(route.0).or_default().push(terms),
                None => everywhere.push((policy.target.as_ref(), terms)),
            }
        }
        let mut shared: HashMap<Vec<usize>, Option<Arc<Inspection>>> = HashMap::new();
        let of_agents = resources.agents.values().map(|agent| {
            let concerned = everywhere.iter().enumerate();
            let concerned =
                concerned.filter(|(_, (target, _))| target.is_none_or(|target| is_aimed_at(target, agent)));
            let numbers: Vec<usize> = concerned.map(|(number, _)| number).collect();
            let expand = |numbers: &Vec<usize>| {
                let terms: Vec<_> = numbers.iter().map(|number| everywhere[*number].1.clone()).collect();
                (!terms.is_empty()).then(|| inspection(terms))
            };
            shared.entry(numbers).or_insert_with_key(expand).clone()
        });
        let of_agents = of_agents.collect();
        let all = (!all.is_empty()).then(|| inspection(all));
        Self { of_agents, behind, bare: Some(inspection(Vec::new())), all }
    }

    /// What holds for what an agent sends by these routes; nothing where no policy does.
    pub(super) fn of<'r>(
        &self,
        agent: usize,
        routes: impl IntoIterator<Item = &'r PolicyRef>,
    ) -> Option<Arc<Inspection>> {
        let own = self.of_agents.get(agent).and_then(Option::as_ref);
        if self.behind.is_empty() {
            return own.cloned();
        }
        let mut behind =
            routes.into_iter().filter_map(|route| self.behind.get(&route.0)).flatten().peekable();
        if behind.peek().is_none() {
            return own.cloned();
        }
        let begin = own.or(self.bare.as_ref())?;
        Some(Arc::new(Inspection::clone(begin).and(behind)))
    }

    /// What is looked for by rules alone.
    pub(super) fn bare(&self) -> Option<Arc<Inspection>> {
        self.bare.clone()
    }

    /// What any policy of the set asks for.
    pub(super) fn all(&self) -> Option<&Arc<Inspection>> {
        self.all.as_ref()
    }

    /// Whether no policy can concern what an agent sends.
    pub(super) fn none_for(&self, agent: usize) -> bool {
        self.behind.is_empty() && self.of_agents.get(agent).is_none_or(Option::is_none)
    }
}

/// What a document looks for by itself: whoever writes it down is sure of it.
fn pattern(one: &CustomDetector) -> CustomPattern {
    let form = match &one.finds {
        Finds::Pattern(text) => CustomForm::Regex(text.to_string()),
        Finds::Words(words) => CustomForm::Words(words.iter().map(ToString::to_string).collect()),
    };
    let case_sensitive = matches!(one.finds, Finds::Pattern(_));
    CustomPattern { name: one.name.clone(), class: one.class, confidence: 1.0, form, case_sensitive }
}
