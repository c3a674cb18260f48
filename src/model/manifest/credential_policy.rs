//! `kind: CredentialInjectionPolicy`: a secret that is put into requests in the agent's place (CLRK core concepts,
//! CredentialInjectionPolicy).
//!
//! It names a secret and never has one. Two policies that would fill one place of one request are a mistake, unless
//! their selectors exclude each other or one is narrower: then the narrower one counts. Whether the secret is there is
//! not asked here. Read next: `decide/policy/credentials.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

use super::fields::{Fields, Item};
use super::header::Header;
use super::kinds::Kind;
use super::reach::Reach;
use super::references::{SELECTOR, contradiction, foreign, selector};
use super::report::quoted;
use super::resources::{CredentialParent, CredentialPolicy, Requirement, Selector};
use super::rule_headers::is_own;
use super::schema::{Field, Form, Object, Shape, words};
use super::values;
use crate::model::types::{AwsTerms, CredentialPlace, GoogleTerms, TokenEndpoint};

const PARENTS: [(&str, Kind); 4] = [
    ("AIProviderRoute", Kind::AiProviderRoute),
    ("EgressHTTPRoute", Kind::EgressHttpRoute),
    ("MCPRoute", Kind::McpRoute),
    ("McpServer", Kind::McpServer),
];

#[derive(Clone, Copy, PartialEq)]
enum Target {
    Header,
    Query,
    Provider,
}

const TARGETS: [(&str, Target); 3] =
    [("Header", Target::Header), ("QueryParam", Target::Query), ("ProviderAuth", Target::Provider)];

#[derive(Clone, Copy, PartialEq)]
enum Provider {
    Aws,
    Google,
}

const PROVIDERS: [(&str, Provider); 2] = [("AWSv4", Provider::Aws), ("GCPServiceAccount", Provider::Google)];

const UNSIGNED: [(&str, bool); 2] = [("Refuse", false), ("Allow", true)];

/// The name of a header field (RFC 9110, section 5.1).
static FIELD_NAME: Form =
    Form { words: "header name", pattern: r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", longest: 128 };
/// What stands in front of the secret in a header.
static PREFIX: Form =
    Form { words: "text such as `Bearer `, with its blank", pattern: r"^[ -~]+$", longest: 64 };
/// The name of a parameter.
static PARAMETER: Form = Form { words: "parameter name", pattern: r"^[0-9A-Za-z._~-]+$", longest: 128 };
/// A key of a secret (Kubernetes).
static SECRET_KEY: Form = Form { words: "key of a secret", pattern: r"^[-._a-zA-Z0-9]+$", longest: 253 };
/// A region or a service, as AWS writes it.
static AWS_WORD: Form =
    Form { words: "region or service such as `us-east-1`", pattern: r"^[a-z0-9-]+$", longest: 64 };
/// Where tokens are asked for.
static ENDPOINT: Form = Form {
    words: "URL such as `https://oauth2.googleapis.com/token`",
    pattern: r"^https://\S+$",
    longest: 1024,
};
/// What a token is for.
static SCOPE: Form = Form { words: "scope", pattern: r"^[!-~]+$", longest: 256 };

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

static PROVIDER_AUTH: Object = Object::new(
    "How a provider wants requests signed.",
    &[
        Field::required("type", Shape::choice(&words(&PROVIDERS)), "By which scheme."),
        Field::optional(
            "region",
            Shape::Text(&AWS_WORD),
            "AWSv4: the region; else the one that the agent or the host names.",
        ),
        Field::optional(
            "service",
            Shape::Text(&AWS_WORD),
            "AWSv4: the service; else the one that the agent or the host names.",
        ),
        Field::optional(
            "unsignedPayload",
            Shape::choice(&words(&UNSIGNED)),
            "AWSv4: whether bodies go that the signature does not cover.",
        )
        .by_default("Refuse"),
        Field::optional(
            "tokenEndpoint",
            Shape::Text(&ENDPOINT),
            "GCPServiceAccount: where tokens are asked for; else where the key says (`token_uri`).",
        ),
        Field::optional(
            "scopes",
            Shape::List(&Shape::Text(&SCOPE)),
            "GCPServiceAccount: what tokens are for; without it `https://www.googleapis.com/auth/cloud-platform`.",
        ),
    ],
);

/// Scope of a token where none is named.
const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Fields that belong to one provider.
const AWS_FIELDS: [&str; 3] = ["region", "service", "unsignedPayload"];
const GOOGLE_FIELDS: [&str; 2] = ["tokenEndpoint", "scopes"];

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

/// `target`, and the fields that belong to it and no others.
fn place(fields: &Fields<'_>) -> Option<CredentialPlace> {
    let target = fields.required("target").and_then(|item| item.choice(&TARGETS));
    let header = fields.get("headerName").map(|item| header_name(&item));
    let prefix = fields.get("headerPrefix").map(|item| prefix(&item));
    let parameter = fields.get("queryParam").map(|item| item.text_of(&PARAMETER).map(Arc::from));
    let provider = fields.get("providerAuth").map(|item| provider(&item));
    let target = target?;
    let word = TARGETS.iter().find(|(_, known)| *known == target).map_or("", |(word, _)| word);
    for (name, belongs) in [
        ("headerName", Target::Header),
        ("headerPrefix", Target::Header),
        ("queryParam", Target::Query),
        ("providerAuth", Target::Provider),
    ] {
        if let Some(item) = fields.get(name).filter(|_| belongs != target) {
            let message = format!("{} has no meaning with `target: {word}`", quoted(name));
            item.scope.mistake(item.key_span(), message, Some("remove it, or name another target".into()));
        }
    }
    let lacks = |name: &str| -> Option<CredentialPlace> {
        fields.owner().mistake_hint(format!("`target: {word}` needs {}", quoted(name)), "name where it goes");
        None
    };
    match target {
        Target::Header => {
            let Some(name) = header else { return lacks("headerName") };
            Some(CredentialPlace::Header { name: name?, prefix: prefix.unwrap_or_else(|| Some("".into()))? })
        }
        Target::Query => {
            let Some(name) = parameter else { return lacks("queryParam") };
            Some(CredentialPlace::Query(name?))
        }
        Target::Provider => {
            let Some(provider) = provider else { return lacks("providerAuth") };
            let place = provider?;
            if let (CredentialPlace::Aws(_), Some(item)) = (&place, fields.get("secretKey")) {
                let hint = "remove it: the secret has the keys `access-key-id`, `secret-access-key` and, for a \
                            session, `session-token`";
                item.scope.mistake(
                    item.key_span(),
                    "`secretKey` has no meaning with `type: AWSv4`",
                    Some(hint.into()),
                );
            }
            Some(place)
        }
    }
}

fn header_name(item: &Item<'_>) -> Option<HeaderName> {
    let text = item.text_of(&FIELD_NAME)?;
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        item.mistake_hint(format!("{} is not a header name", quoted(text)), "write letters, digits and `-`");
        return None;
    };
    if is_own(&name) {
        let hint =
            "credentials go into fields that servers read, not into those by which a request gets there";
        item.mistake_hint(format!("{} is the gateway's own to send or remove", quoted(text)), hint);
        return None;
    }
    Some(name)
}

fn prefix(item: &Item<'_>) -> Option<Arc<str>> {
    let text = item.text_of(&PREFIX)?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.starts_with(' ') {
        item.mistake_hint(
            format!("{} cannot be sent", quoted(text)),
            "write visible ASCII, without blanks in front",
        );
        return None;
    }
    if text.ends_with(|last: char| last.is_ascii_alphanumeric()) {
        let message = format!("{} would run into the secret", quoted(text));
        item.mistake_hint(message, format!("write the blank between them: `'{text} '`"));
        return None;
    }
    Some(text.into())
}

fn provider(item: &Item<'_>) -> Option<CredentialPlace> {
    let fields = item.object(&PROVIDER_AUTH)?;
    let kind = fields.required("type").and_then(|item| item.choice(&PROVIDERS));
    let word = |name: &str| {
        fields.get(name).map_or(Some(None), |item| item.text_of(&AWS_WORD).map(|text| Some(Arc::from(text))))
    };
    let (region, service) = (word("region"), word("service"));
    let unsigned = fields.get("unsignedPayload").map_or(Some(false), |item| item.choice(&UNSIGNED));
    let endpoint = fields.get("tokenEndpoint").map_or(Some(None), |item| endpoint(&item).map(Some));
    let scopes = fields.list("scopes");
    let scopes: Vec<_> = scopes.iter().map(|item| item.text_of(&SCOPE).map(Arc::from)).collect();
    let kind = kind?;
    let others: &[&str] = if kind == Provider::Aws { &GOOGLE_FIELDS } else { &AWS_FIELDS };
    for item in others.iter().filter_map(|name| fields.get(name)) {
        let message = format!("{} has no meaning with this `type`", quoted(item.name));
        item.scope.mistake(item.key_span(), message, Some("remove it".into()));
    }
    match kind {
        Provider::Aws => {
            Some(CredentialPlace::Aws(AwsTerms { region: region?, service: service?, unsigned: unsigned? }))
        }
        Provider::Google => {
            let scopes: Vec<Arc<str>> = scopes.into_iter().collect::<Option<_>>()?;
            let scopes = if scopes.is_empty() { vec![CLOUD.into()] } else { scopes };
            Some(CredentialPlace::Google(GoogleTerms { endpoint: endpoint?, scopes: scopes.into() }))
        }
    }
}

fn endpoint(item: &Item<'_>) -> Option<TokenEndpoint> {
    let text = item.text_of(&ENDPOINT)?;
    let endpoint = TokenEndpoint::parse(text);
    if endpoint.is_none() {
        let message = format!("{} is not where tokens can be asked for", quoted(text));
        item.mistake_hint(message, "write `https://HOST/PATH`, with a host name and without a query");
    }
    endpoint
}
