//! References between documents: `parentRefs`, `targetRef`, and selectors of agents by label.
//!
//! A document is known by kind and name, so a missing or foreign `group` and any `namespace` mean nothing here.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fields::{Fields, Item};
use super::header::Index;
use super::kinds::{Kind, Standing, standing};
use super::report::{did_you_mean, one_of, quoted};
use super::resources::{DenyTarget, Gateway, ListenerProtocol, Parent, PolicyTarget, Requirement, Selector};
use super::values;

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
    fn met_by(self, protocol: ListenerProtocol) -> bool {
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
    fn listeners(self) -> &'static str {
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
    let fields = item.fields(&["group", "kind", "name", "namespace", "sectionName", "port"])?;
    fields.not_yet(&["port"]);
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
fn foreign(fields: &Fields<'_>) {
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

/// `spec.targetRef` of a deny policy: a route.
pub fn deny_target(item: &Item<'_>, index: &Index) -> Option<DenyTarget> {
    let fields = item.fields(&["group", "kind", "name", "namespace", "sectionName"])?;
    fields.not_yet(&["sectionName"]);
    foreign(&fields);
    let kind = fields.required("kind");
    let name = fields.required("name")?;
    let kind = kind?;
    let routes = ["EgressL4Route", "EgressHTTPRoute"];
    match kind.text()? {
        "EgressL4Route" => index.resolve(Kind::EgressL4Route, &name).map(DenyTarget::L4),
        "EgressHTTPRoute" => index.resolve(Kind::EgressHttpRoute, &name).map(DenyTarget::Http),
        word if standing(word) == Some(Standing::NotYet) => {
            kind.not_yet();
            None
        }
        word => {
            let hint = did_you_mean(word, routes).unwrap_or_else(|| format!("it can be {}", one_of(routes)));
            kind.mistake_hint(format!("{} is not a kind of route", quoted(word)), hint);
            None
        }
    }
}

/// What an EgressPolicy can be for.
const POLICY_TARGETS: [&str; 6] =
    ["EgressGateway", "EgressL4Route", "EgressHTTPRoute", "Agent", "Team", "Project"];

/// `spec.targetRef` of an EgressPolicy: a gateway, a route, or agents by name, team or project.
pub fn policy_target(item: &Item<'_>, index: &Index) -> Option<PolicyTarget> {
    let fields = item.fields(&["group", "kind", "name", "namespace", "sectionName"])?;
    fields.not_yet(&["sectionName"]);
    foreign(&fields);
    let kind = fields.required("kind");
    let name = fields.required("name")?;
    let kind = kind?;
    match kind.text()? {
        "EgressGateway" => index.resolve(Kind::EgressGateway, &name).map(PolicyTarget::Gateway),
        "EgressL4Route" => index.resolve(Kind::EgressL4Route, &name).map(PolicyTarget::L4Route),
        "EgressHTTPRoute" => index.resolve(Kind::EgressHttpRoute, &name).map(PolicyTarget::HttpRoute),
        "Agent" => index.resolve(Kind::Agent, &name).map(PolicyTarget::Agent),
        "Team" => group(&name, "team", &index.groups.teams, index).map(PolicyTarget::Team),
        "Project" => group(&name, "project", &index.groups.projects, index).map(PolicyTarget::Project),
        word if standing(word) == Some(Standing::NotYet) => {
            kind.not_yet();
            None
        }
        word => {
            let hint = did_you_mean(word, POLICY_TARGETS)
                .unwrap_or_else(|| format!("it can be {}", one_of(POLICY_TARGETS)));
            kind.mistake_hint(format!("a policy cannot be for {}", quoted(word)), hint);
            None
        }
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
    let fields = item.fields(&["matchLabels", "matchExpressions"])?;
    let mut requirements = Vec::new();
    if let Some(labels) = fields.get("matchLabels") {
        requirements.extend(
            values::labels(&labels).into_iter().map(|(key, value)| Requirement::In(key, vec![value])),
        );
    }
    requirements.extend(fields.list("matchExpressions").iter().filter_map(requirement));
    Some(Selector { requirements })
}

fn requirement(item: &Item<'_>) -> Option<Requirement> {
    #[derive(Clone, Copy, PartialEq)]
    enum Operator {
        In,
        NotIn,
        Exists,
        DoesNotExist,
    }
    let fields = item.fields(&["key", "operator", "values"])?;
    let key = fields.required("key").and_then(|key| values::label_key_of(&key));
    let operator = fields.required("operator")?.choice(&[
        ("In", Operator::In),
        ("NotIn", Operator::NotIn),
        ("Exists", Operator::Exists),
        ("DoesNotExist", Operator::DoesNotExist),
    ])?;
    if matches!(operator, Operator::In | Operator::NotIn) {
        let values = fields.required_list("values");
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
