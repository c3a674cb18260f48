//! `target` of a CredentialInjectionPolicy, and the fields that belong to it: where a secret goes and in which form.
//!
//! A field that belongs to another target is a mistake, never ignored. Read next: `credential_policy.rs`.

use std::sync::Arc;

use http::HeaderName;

use super::fields::{Fields, Item};
use super::report::quoted;
use super::rule_headers::is_own;
use super::schema::{Field, Form, Object, Shape, words};
use crate::model::types::{AwsTerms, CredentialPlace, GoogleTerms, TokenEndpoint};

/// Where a secret goes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Target {
    Header,
    Query,
    Provider,
}

/// Where a secret goes.
pub(super) const TARGETS: [(&str, Target); 3] =
    [("Header", Target::Header), ("QueryParam", Target::Query), ("ProviderAuth", Target::Provider)];

#[derive(Clone, Copy, PartialEq)]
enum Provider {
    Aws,
    Google,
}

const PROVIDERS: [(&str, Provider); 2] = [("AWSv4", Provider::Aws), ("GCPServiceAccount", Provider::Google)];

const UNSIGNED: [(&str, bool); 2] = [("Refuse", false), ("Allow", true)];

/// The name of a header field (RFC 9110, section 5.1).
pub(super) static FIELD_NAME: Form =
    Form { words: "header name", pattern: r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", longest: 128 };
/// What stands in front of the secret in a header.
pub(super) static PREFIX: Form =
    Form { words: "text such as `Bearer `, with its blank", pattern: r"^[ -~]+$", longest: 64 };
/// A user of `Basic`, which ends at the first colon (RFC 7617, section 2).
pub(super) static USER: Form =
    Form { words: "user name without a colon", pattern: r"^[ -9;-~]+$", longest: 128 };
/// The name of a parameter.
pub(super) static PARAMETER: Form =
    Form { words: "parameter name", pattern: r"^[0-9A-Za-z._~-]+$", longest: 128 };
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

/// `spec.providerAuth`.
pub(super) static PROVIDER_AUTH: Object = Object::new(
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

/// `target`, and the fields that belong to it and no others.
pub(super) fn place(fields: &Fields<'_>) -> Option<CredentialPlace> {
    let target = fields.required("target").and_then(|item| item.choice(&TARGETS));
    let header = fields.get("headerName").map(|item| header_name(&item));
    let prefix = fields.get("headerPrefix").map(|item| prefix(&item));
    let user = fields.get("basicUser").map(|item| user(&item));
    let parameter = fields.get("queryParam").map(|item| item.text_of(&PARAMETER).map(Arc::from));
    let provider = fields.get("providerAuth").map(|item| provider(&item));
    let target = target?;
    let word = TARGETS.iter().find(|(_, known)| *known == target).map_or("", |(word, _)| word);
    for (name, belongs) in [
        ("headerName", Target::Header),
        ("headerPrefix", Target::Header),
        ("basicUser", Target::Header),
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
            if let Some(user) = user {
                twice(fields.get("headerPrefix").as_ref());
                return Some(CredentialPlace::Basic { name: name?, user: user? });
            }
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

/// Notes a prefix where `Basic ` stands in front by itself.
fn twice(prefix: Option<&Item<'_>>) {
    let Some(item) = prefix else { return };
    let hint = "remove one of them: `Basic ` stands in front by itself";
    let message = "`headerPrefix` has no meaning with `basicUser`";
    item.scope.mistake(item.key_span(), message, Some(hint.into()));
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

fn user(item: &Item<'_>) -> Option<Arc<str>> {
    let text = item.text_of(&USER)?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b':') {
        let hint = "write visible ASCII without a colon: at the first one the password begins";
        item.mistake_hint(format!("{} is no user of `Basic`", quoted(text)), hint);
        return None;
    }
    Some(text.into())
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
