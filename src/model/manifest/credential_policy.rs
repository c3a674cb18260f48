//! `kind: CredentialInjectionPolicy`: a secret that is put into requests in the agent's place (CLRK core concepts,
//! CredentialInjectionPolicy).
//!
//! It names a secret and never has one. Two policies that would fill one place of one request are a mistake, unless
//! their selectors exclude each other or one is narrower: then the narrower one counts. Whether the secret is there is
//! not asked here. Read next: `decide/policy/credentials.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use super::credential_place::{FIELD_NAME, PARAMETER, PREFIX, PROVIDER_AUTH, TARGETS, USER, place};
use super::fields::Item;
use super::header::Header;
use super::kinds::Kind;
use super::reach::Reach;
use super::references::{SELECTOR, contradiction, foreign, selector};
use super::report::quoted;
use super::resources::{CredentialParent, CredentialPolicy, Requirement, Selector};
use super::schema::{Field, Form, Object, Shape, words};
use super::values;
use crate::model::types::CredentialPlace;

const PARENTS: [(&str, Kind); 4] = [
    ("AIProviderRoute", Kind::AiProviderRoute),
    ("EgressHTTPRoute", Kind::EgressHttpRoute),
    ("MCPRoute", Kind::McpRoute),
    ("McpServer", Kind::McpServer),
];

/// A key of a secret (Kubernetes).
static SECRET_KEY: Form = Form { words: "key of a secret", pattern: r"^[-._a-zA-Z0-9]+$", longest: 253 };

/// `spec` of a policy that injects a credential.
pub static SPEC: Object = Object::new(
    "Puts a secret of the vault into requests in the agent's place, whatever the agent sent there. Only over verified TLS.",
    &[
        Field::required(
            "parentRefs",
            Shape::List(&Shape::Object(&PARENT)),
            "The routes whose requests get it.",
        ),
        Field::optional(
            "sourceAgents",
            Shape::Object(&SELECTOR),
            "The agents that get it; without it every one. Beside their own labels agents have `clawgress.io/agent`, \
             `clawgress.io/team` and `clawgress.io/project` here. Of two policies for one place the narrower counts.",
        ),
        Field::required("secretRef", Shape::Object(&SECRET), "The secret in the vault."),
        Field::optional(
            "secretKey",
            Shape::Text(&SECRET_KEY),
            "Which value of it; without it the only one, or `value`.",
        ),
        Field::required("target", Shape::choice(&words(&TARGETS)), "Where it goes."),
        Field::optional("headerName", Shape::Text(&FIELD_NAME), "The field, with `target: Header`."),
        Field::optional(
            "headerPrefix",
            Shape::Text(&PREFIX),
            "What stands in front of the secret in the field, such as `'Bearer '`.",
        ),
        Field::optional(
            "basicUser",
            Shape::Text(&USER),
            "The field gets `Basic` with this user and the secret as the password, as git and many registries want it (RFC 7617).",
        ),
        Field::optional("queryParam", Shape::Text(&PARAMETER), "The parameter, with `target: QueryParam`."),
        Field::optional(
            "providerAuth",
            Shape::Object(&PROVIDER_AUTH),
            "How the request is signed, with `target: ProviderAuth`.",
        ),
    ],
);

static PARENT: Object = Object::new(
    "Something that lets single requests through.",
    &[
        Field::optional("group", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::required("kind", Shape::choice(&words(&PARENTS)), "The kind of route."),
        Field::required("name", Shape::Text(&values::NAME), "Its name."),
        Field::optional("namespace", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::not_yet("sectionName", "One rule of it."),
    ],
);

static SECRET: Object = Object::new(
    "A secret, by its name.",
    &[
        Field::optional("group", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::optional("kind", Shape::Text(&values::ANY), "Accepted and without meaning."),
        Field::required("name", Shape::Text(&values::NAME), "Its name; `clawgress secret list` shows them."),
        Field::optional("namespace", Shape::Text(&values::ANY), "Accepted and without meaning."),
    ],
);

/// What is bound to each route, over all documents of a set.
pub type Bound = HashMap<CredentialParent, Vec<(Arc<str>, Vec<Requirement>, CredentialPlace)>>;

/// Reads one policy; routes have been read.
pub fn read(header: &Header<'_>, reach: Reach<'_>, bound: &mut Bound) -> Option<CredentialPolicy> {
    let fields = header.spec?.object(&SPEC)?;
    let items = fields.required_list("parentRefs");
    let found: Vec<_> = items.iter().map(|item| (item, parent(item, reach))).collect();
    let agents = fields.get("sourceAgents").map_or(Some(None), |item| selector(&item).map(Some));
    let secret = fields.required("secretRef").and_then(|item| secret(&item));
    let key = fields.get("secretKey").map_or(Some(None), |item| item.text_of(&SECRET_KEY).map(Some));
    let place = place(&fields);
    let (source_agents, place) = (agents?, place?);
    let requirements = source_agents.iter().flat_map(|one: &Selector| one.requirements.clone()).collect();
    let own = (header.name.clone(), requirements, place.clone());
    for (item, parent) in &found {
        let Some(parent) = parent else { continue };
        let known = bound.entry(parent.clone()).or_default();
        conflict(item, &own, known);
        known.push(own.clone());
    }
    let parents = found.into_iter().map(|(_, parent)| parent).collect::<Option<Vec<_>>>()?;
    let (secret, key) = (secret?, key?.map(Arc::from));
    Some(CredentialPolicy { parents, source_agents, secret, key, place, origin: header.origin() })
}

fn parent(item: &Item<'_>, reach: Reach<'_>) -> Option<CredentialParent> {
    let fields = item.object(&PARENT)?;
    foreign(&fields);
    let otherwise = |word: &str| match word {
        "EgressL4Route" | "EgressGateway" => {
            format!(
                "a credential cannot be bound to an {word}: it opens connections, and requests get credentials"
            )
        }
        _ => format!("a credential cannot be bound to {}", quoted(word)),
    };
    let kind = fields.required("kind").and_then(|kind| kind.choice_or(&PARENTS, otherwise));
    let name = fields.required("name");
    let (kind, name) = (kind?, name?);
    let name = reach.index.resolve(kind, &name)?;
    Some(match kind {
        Kind::AiProviderRoute => CredentialParent::Ai(name),
        Kind::McpRoute => CredentialParent::Mcp(name),
        Kind::McpServer => CredentialParent::Server(name),
        _ => CredentialParent::Http(name),
    })
}

fn secret(item: &Item<'_>) -> Option<Arc<str>> {
    let fields = item.object(&SECRET)?;
    foreign(&fields);
    if let Some(kind) = fields.get("kind") {
        kind.text_of(&values::ANY);
    }
    fields.required("name").and_then(|name| values::name(&name))
}

/// Notes what would fill the same place of the same request as another policy.
fn conflict(
    item: &Item<'_>,
    (name, requirements, place): &(Arc<str>, Vec<Requirement>, CredentialPlace),
    known: &[(Arc<str>, Vec<Requirement>, CredentialPlace)],
) {
    let rival = known.iter().find(|(_, others, other)| {
        let both: Vec<Requirement> = requirements.iter().chain(others).cloned().collect();
        place.meets(other)
            && contradiction(&both).is_none()
            && !is_narrower(requirements, others)
            && !is_narrower(others, requirements)
    });
    let Some((rival, ..)) = rival else { return };
    let message = match rival == name {
        true => "this route is named twice".to_owned(),
        false => format!("CredentialInjectionPolicy {} fills the same place for this route", quoted(rival)),
    };
    let hint =
        "one credential goes there: give both a `sourceAgents` that excludes the other, or is narrower";
    item.mistake_hint(message, if rival == name { "remove one" } else { hint });
}

/// Whether these requirements are the others and more.
pub fn is_narrower(one: &[Requirement], other: &[Requirement]) -> bool {
    one.len() > other.len() && other.iter().all(|requirement| one.contains(requirement))
}
