//! References between documents: `parentRefs`, `targetRef`, and selectors of agents by label.
//!
//! A document is known by kind and name, so a missing or foreign `group` and any `namespace` mean nothing here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fields::{Fields, Item};
use super::header::Index;
use super::kinds::Kind;
use super::report::{did_you_mean, one_of, quoted};
use super::resources::{DenyTarget, Gateway, ListenerProtocol, Parent, PolicyTarget, Requirement, Selector};
use super::schema::{Field, Object, Shape, words};
use super::values;

const PARENT_KINDS: [(&str, ()); 1] = [("EgressGateway", ())];

const OPERATORS: [(&str, Operator); 4] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];

/// Kinds that a deny policy turns round.
const ROUTES: [(&str, Kind); 4] = [
    ("EgressL4Route", Kind::EgressL4Route),
    ("EgressHTTPRoute", Kind::EgressHttpRoute),
    ("AIProviderRoute", Kind::AiProviderRoute),
    ("MCPRoute", Kind::McpRoute),
];

/// What a policy can be for.
const POLICY_TARGETS: [(&str, &str); 8] = [
    ("EgressGateway", "EgressGateway"),
    ("EgressL4Route", "EgressL4Route"),
    ("EgressHTTPRoute", "EgressHTTPRoute"),
    ("AIProviderRoute", "AIProviderRoute"),
    ("MCPRoute", "MCPRoute"),
    ("Agent", "Agent"),
    ("Team", "Team"),
    ("Project", "Project"),
];

/// An entry of `parentRefs`.
pub static PARENT_REF: Object = Object::new(
    "A gateway, or one listener of it.",
    &[
        Field::optional("group", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::optional("kind", Shape::choice(&words(&PARENT_KINDS)), "It is always a gateway.")
            .by_default("EgressGateway"),
        Field::required("name", Shape::Text(&values::NAME), "The name of an EgressGateway."),
        Field::optional("namespace", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::optional(
            "sectionName",
            Shape::Text(&values::NAME),
            "One listener of it; without it all of them.",
        ),
        Field::not_yet("port", "The listener's port."),
    ],
);

/// `targetRef` of a deny policy.
pub static TARGET_REF: Object = Object::new(
    "A route.",
    &[
        Field::optional("group", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::required("kind", Shape::choice(&words(&ROUTES)), "The kind of route."),
        Field::required("name", Shape::Text(&values::NAME), "The route's name."),
        Field::optional("namespace", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::not_yet("sectionName", "One rule of it."),
    ],
);

/// `targetRef` of a policy.
pub static POLICY_TARGET: Object = Object::new(
    "A gateway, a route, or agents by name, team or project.",
    &[
        Field::optional("group", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::required("kind", Shape::choice(&words(&POLICY_TARGETS)), "What the policy is for."),
        Field::required("name", Shape::Text(&values::WORD), "Its name."),
        Field::optional("namespace", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::not_yet("sectionName", "One rule or listener of it."),
    ],
);

/// `sourceAgents`.
pub static SELECTOR: Object = Object::new(
    "Agents by their labels; all that is given must hold.",
    &[
        Field::optional("matchLabels", values::LABELS, "Labels with these values."),
        Field::optional(
            "matchExpressions",
            Shape::List(&Shape::Object(&EXPRESSION)),
            "Labels with one of several values, or that are there or not.",
        ),
    ],
);

static EXPRESSION: Object = Object::new(
    "What one label must be.",
    &[
        Field::required("key", Shape::Text(&values::LABEL_KEY), "The label."),
        Field::required("operator", Shape::choice(&words(&OPERATORS)), "How it is looked at."),
        Field::optional(
            "values",
            Shape::List(&Shape::Text(&values::LABEL_VALUE)),
            "Its values; for `In` and `NotIn` alone, which need them.",
        ),
    ],
);

#[derive(Clone, Copy, PartialEq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// What a route needs of the listeners it hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// TCP, whatever is said on it.
    Connections,
    /// UDP.
    Datagrams,
    /// Requests in plain text: a TLS listener that terminates, or HTTP.
    Requests,
}

impl Needs {
    /// Whether a listener of this protocol does.
    pub fn met_by(self, protocol: ListenerProtocol) -> bool {
        match self {
            Self::Connections => protocol != ListenerProtocol::Udp,
            Self::Datagrams => protocol == ListenerProtocol::Udp,
            Self::Requests => matches!(protocol, ListenerProtocol::TlsTerminate | ListenerProtocol::Http),
        }
    }

    /// What cannot be done without such a listener.
    fn unmet(self) -> &'static str {
        match self {
            Self::Connections => "TCP is not taken",
            Self::Datagrams => "UDP is not taken",
            Self::Requests => "requests cannot be seen",
        }
    }

    /// The listeners that would do, after "a listener with".
    pub fn listeners(self) -> &'static str {
        match self {
            Self::Connections => "`protocol: TCP`, TLS, HTTPS or HTTP",
            Self::Datagrams => "`protocol: UDP`",
            Self::Requests => "`protocol: TLS` and `mode: Terminate`, HTTPS or HTTP",
        }
    }
}

/// `spec.parentRefs` of a route: gateways, or single listeners of them. Everything that the route needs must be there.
pub fn parents(spec: &Fields<'_>, index: &Index, needs: &[Needs]) -> Vec<Parent> {
    spec.required_list("parentRefs").iter().filter_map(|item| parent(item, index, needs)).collect()
}

fn parent(item: &Item<'_>, index: &Index, needs: &[Needs]) -> Option<Parent> {
    let fields = item.object(&PARENT_REF)?;
    foreign(&fields);
    if let Some(kind) = fields.get("kind") {
        let word = kind.text()?;
        if word != Kind::EgressGateway.as_str() {
            kind.mistake_hint(
                format!("{} cannot be a route's parent", quoted(word)),
                "it is always an `EgressGateway`",
            );
            return None;
        }
    }
    let name = fields.required("name")?;
    let gateway_name = index.resolve(Kind::EgressGateway, &name)?;
    let section = fields.get("sectionName");
    if let Some(gateway) = index.gateways.get(&gateway_name) {
        match &section {
            Some(section) => check_section(section, &gateway_name, gateway, needs)?,
            None => check_any(&name, gateway, needs),
        }
    }
    let section = match section {
        Some(item) => Some(item.text()?.into()),
        None => None,
    };
    Some(Parent { gateway: gateway_name, section })
}

/// Accepted without a meaning, but they have to be texts.
pub(super) fn foreign(fields: &Fields<'_>) {
    // An empty group is the core group to Kubernetes, and any group here.
    if let Some(group) = fields.get("group").filter(|group| group.node().text() != Some("")) {
        group.text();
    }
    if let Some(namespace) = fields.get("namespace") {
        namespace.text();
    }
}

fn check_section(section: &Item<'_>, gateway_name: &str, gateway: &Gateway, needs: &[Needs]) -> Option<()> {
    let word = section.text()?;
    let names = || gateway.listeners.iter().map(|listener| &*listener.name);
    let Some(listener) = gateway.listeners.iter().find(|listener| &*listener.name == word) else {
        let hint = did_you_mean(word, names()).unwrap_or_else(|| format!("it has {}", one_of(names())));
        let message = format!("EgressGateway {} has no listener {}", quoted(gateway_name), quoted(word));
        section.mistake_hint(message, hint);
        return None;
    };
    if let Some(need) = needs.iter().find(|need| !need.met_by(listener.protocol)) {
        let message = format!("{} on listener {}", need.unmet(), quoted(word));
        section.mistake_hint(message, format!("choose a listener with {}", need.listeners()));
    }
    Some(())
}

fn check_any(name: &Item<'_>, gateway: &Gateway, needs: &[Needs]) {
    let met = |need: &Needs| gateway.listeners.iter().any(|listener| need.met_by(listener.protocol));
    if let Some(need) = needs.iter().find(|need| !met(need)) {
        let message = format!("{} on any listener of EgressGateway {}", need.unmet(), quoted(name.written()));
        name.mistake_hint(message, format!("give it a listener with {}", need.listeners()));
    }
}

/// The kind that a `targetRef` names, one of a few, and its name.
fn target<'s, T: Copy>(
    item: &Item<'s>,
    object: &'static Object,
    kinds: &[(&str, T)],
    otherwise: impl FnOnce(&str) -> String,
) -> Option<(T, Item<'s>)> {
    let fields = item.object(object)?;
    foreign(&fields);
    let kind = fields.required("kind").and_then(|kind| kind.choice_or(kinds, otherwise));
    let name = fields.required("name");
    Some((kind?, name?))
}

/// `spec.targetRef` of a deny policy: a route.
pub fn deny_target(item: &Item<'_>, index: &Index) -> Option<DenyTarget> {
    let otherwise = |word: &str| format!("{} is not a kind of route", quoted(word));
    let (kind, name) = target(item, &TARGET_REF, &ROUTES, otherwise)?;
    let name = index.resolve(kind, &name)?;
    Some(match kind {
        Kind::EgressL4Route => DenyTarget::L4(name),
        Kind::AiProviderRoute => DenyTarget::Ai(name),
        Kind::McpRoute => DenyTarget::Mcp(name),
        _ => DenyTarget::Http(name),
    })
}

/// `spec.targetRef` of a policy: a gateway, a route, or agents by name, team or project.
pub fn policy_target(item: &Item<'_>, index: &Index) -> Option<PolicyTarget> {
    let otherwise = |word: &str| format!("a policy cannot be for {}", quoted(word));
    let (kind, name) = target(item, &POLICY_TARGET, &POLICY_TARGETS, otherwise)?;
    match kind {
        "EgressGateway" => index.resolve(Kind::EgressGateway, &name).map(PolicyTarget::Gateway),
        "EgressL4Route" => index.resolve(Kind::EgressL4Route, &name).map(PolicyTarget::L4Route),
        "EgressHTTPRoute" => index.resolve(Kind::EgressHttpRoute, &name).map(PolicyTarget::HttpRoute),
        "AIProviderRoute" => index.resolve(Kind::AiProviderRoute, &name).map(PolicyTarget::AiRoute),
        "MCPRoute" => index.resolve(Kind::McpRoute, &name).map(PolicyTarget::McpRoute),
        "Agent" => index.resolve(Kind::Agent, &name).map(PolicyTarget::Agent),
        "Team" => group(&name, "team", &index.groups.teams, index).map(PolicyTarget::Team),
        _ => group(&name, "project", &index.groups.projects, index).map(PolicyTarget::Project),
    }
}

/// A team or project, which some agent has to have.
fn group(item: &Item<'_>, what: &str, known: &BTreeSet<Arc<str>>, index: &Index) -> Option<Arc<str>> {
    let text = item.text()?;
    if let Some(known) = known.get(text) {
        return Some(known.clone());
    }
    if index.whole && !index.groups.partial {
        let names = || known.iter().map(|name| &**name);
        let hint = did_you_mean(text, names()).unwrap_or_else(|| match known.len() {
            0 => format!("no agent names a {what} in its `spec`"),
            1..=5 => format!("agents have {}", one_of(names())),
            _ => format!("a {what} is what agents name in their `spec`"),
        });
        item.mistake_hint(format!("no agent has the {what} {}", quoted(text)), hint);
    }
    None
}

/// `spec.sourceAgents`: a Kubernetes label selector. A selector without requirements selects every agent.
pub fn selector(item: &Item<'_>) -> Option<Selector> {
    let before = item.scope.mistakes();
    let fields = item.object(&SELECTOR)?;
    let mut requirements = Vec::new();
    if let Some(labels) = fields.get("matchLabels") {
        requirements.extend(
            values::labels(&labels).into_iter().map(|(key, value)| Requirement::In(key, vec![value])),
        );
    }
    requirements.extend(fields.list("matchExpressions").iter().filter_map(requirement));
    if item.scope.mistakes() == before
        && let Some(key) = contradiction(&requirements)
    {
        let message =
            format!("no agent can match: what is asked of label {} contradicts itself", quoted(key));
        item.mistake_hint(message, "all of a selector must hold; an alternative is a document of its own");
        return None;
    }
    Some(Selector { requirements })
}

/// What is asked of one label by all requirements together.
#[derive(Default)]
struct Asked<'r> {
    /// The values it may have; absent where any will do.
    allowed: Option<BTreeSet<&'r str>>,
    refused: BTreeSet<&'r str>,
    there: bool,
    absent: bool,
}

impl Asked<'_> {
    /// Whether no label, and no absence of one, is all of it.
    fn is_impossible(&self) -> bool {
        let no_value = |allowed: &BTreeSet<&str>| allowed.is_subset(&self.refused);
        (self.absent && (self.there || self.allowed.is_some())) || self.allowed.as_ref().is_some_and(no_value)
    }
}

/// A label of which nothing can be all that these requirements ask.
pub(super) fn contradiction(requirements: &[Requirement]) -> Option<&str> {
    let mut labels: BTreeMap<&str, Asked<'_>> = BTreeMap::new();
    for requirement in requirements {
        match requirement {
            Requirement::In(key, values) => {
                let values: BTreeSet<&str> = values.iter().map(String::as_str).collect();
                let asked = labels.entry(key).or_default();
                asked.allowed = Some(match asked.allowed.take() {
                    Some(allowed) => allowed.intersection(&values).copied().collect(),
                    None => values,
                });
            }
            Requirement::NotIn(key, values) => {
                labels.entry(key).or_default().refused.extend(values.iter().map(String::as_str));
            }
            Requirement::Exists(key) => labels.entry(key).or_default().there = true,
            Requirement::DoesNotExist(key) => labels.entry(key).or_default().absent = true,
        }
    }
    labels.into_iter().find(|(_, asked)| asked.is_impossible()).map(|(key, _)| key)
}

fn requirement(item: &Item<'_>) -> Option<Requirement> {
    let fields = item.object(&EXPRESSION)?;
    let key = fields.required("key").and_then(|key| values::label_key_of(&key));
    let Some(operator) = fields.required("operator").and_then(|item| item.choice(&OPERATORS)) else {
        fields.list("values").iter().for_each(|item| drop(values::label_value(item)));
        return None;
    };
    if matches!(operator, Operator::In | Operator::NotIn) {
        if item.node().entry("values").is_none() {
            item.lacks("values");
        }
        let values = fields.list("values");
        let values = values.iter().filter_map(values::label_value).collect();
        return key.map(|key| {
            if operator == Operator::In {
                Requirement::In(key, values)
            } else {
                Requirement::NotIn(key, values)
            }
        });
    }
    if let Some(values) = fields.get("values") {
        values.scope.mistake(
            values.key_span(),
            "`values` have no meaning with this operator",
            Some("remove them".into()),
        );
    }
    key.map(|key| {
        if operator == Operator::Exists { Requirement::Exists(key) } else { Requirement::DoesNotExist(key) }
    })
}
