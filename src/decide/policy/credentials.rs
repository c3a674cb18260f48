//! Which credentials go into a request: those bound to a route that lets it through, for its agent.
//!
//! Where several policies would fill one place of a request, the narrowest selector counts; where several routes let the
//! request through, the first of them. A place is filled once. Names alone pass here, never a secret. Read next:
//! `act/credentials`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::index::Map;
use crate::model::manifest::Resources;
use crate::model::manifest::resources::{Agent, CredentialPolicy, Selector};
use crate::model::types::{CredentialPlace, Injection, PolicyRef};

/// All credentials of a set.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    /// By the route, as records name it; the narrowest first.
    by_route: Map<Arc<str>, Vec<Bound>>,
}

/// One policy at one route.
#[derive(Debug)]
struct Bound {
    /// For each agent, in the order of their names.
    agents: Arc<[bool]>,
    injection: Arc<Injection>,
}

impl Credentials {
    /// Compiles the policies of a valid set.
    pub(super) fn compile(resources: &Resources) -> Self {
        let mut all: Vec<(&Arc<str>, &CredentialPolicy)> = resources.credentials.iter().collect();
        // What is narrower has what the other asks and more; of equals the names decide, and they never meet.
        let asked = |policy: &CredentialPolicy| {
            policy.source_agents.as_ref().map_or(0, |selector| selector.requirements.len())
        };
        all.sort_by_key(|(_, policy)| std::cmp::Reverse(asked(policy)));
        let labels: Vec<_> = resources.agents.values().map(labels).collect();
        let mut by_route = Map::<Arc<str>, Vec<Bound>>::default();
        for (name, policy) in all {
            let selects = |labels| selects(policy.source_agents.as_ref(), labels);
            let agents: Arc<[bool]> = labels.iter().map(selects).collect();
            let injection = Arc::new(Injection {
                policy: PolicyRef::new("CredentialInjectionPolicy", name),
                secret: policy.secret.clone(),
                key: policy.key.clone(),
                place: policy.place.clone(),
            });
            for parent in &policy.parents {
                let bound = Bound { agents: agents.clone(), injection: injection.clone() };
                by_route.entry(parent.policy().0).or_default().push(bound);
            }
        }
        Self { by_route }
    }

    /// What goes into a request of an agent that these routes let through, the first of them first.
    pub(super) fn of<'r>(
        &self,
        agent: usize,
        routes: impl Iterator<Item = &'r PolicyRef>,
    ) -> Vec<Arc<Injection>> {
        let mut found: Vec<Arc<Injection>> = Vec::new();
        if self.by_route.is_empty() {
            return found;
        }
        for bound in routes.filter_map(|route| self.by_route.get(&route.0)).flatten() {
            let is_taken = |place: &CredentialPlace| found.iter().any(|one| one.place.meets(place));
            if bound.agents.get(agent) == Some(&true) && !is_taken(&bound.injection.place) {
                found.push(bound.injection.clone());
            }
        }
        found
    }
}

/// An agent's labels, and those that stand for its name, team and project.
fn labels(agent: &Agent) -> BTreeMap<String, String> {
    let profile = &agent.profile;
    let mut labels = profile.labels.clone();
    let own = [Some(&profile.name), profile.team.as_ref(), profile.project.as_ref()];
    for (label, value) in CredentialPolicy::LABELS.into_iter().zip(own) {
        match value {
            Some(value) => drop(labels.insert(label.to_owned(), value.to_string())),
            None => drop(labels.remove(label)),
        }
    }
    labels
}

fn selects(selector: Option<&Selector>, labels: &BTreeMap<String, String>) -> bool {
    selector.is_none_or(|selector| selector.selects(labels))
}
