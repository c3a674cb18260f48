//! What documents say of credentials, as sentences: one for each route.

use super::{Sentences, who};
use crate::model::manifest::Resources;
use crate::model::types::CredentialPlace;

/// `requests of every agent by AIProviderRoute/openai get secret openai as header authorization`
pub(super) fn policy(resources: &Resources, name: &str) -> Sentences {
    let policy = resources.credentials.get(name)?;
    let who = who(policy.source_agents.as_ref());
    let key = policy.key.as_ref().map(|key| format!("/{key}")).unwrap_or_default();
    let place = match &policy.place {
        CredentialPlace::Header { name, prefix } if prefix.is_empty() => format!("as header {name}"),
        CredentialPlace::Header { name, prefix } => format!("as header {name} behind `{prefix}`"),
        CredentialPlace::Basic { name, user } => format!("as header {name} with `Basic` for user `{user}`"),
        CredentialPlace::Query(name) => format!("as query parameter {name}"),
        CredentialPlace::Aws(terms) => {
            let part = |word: &str, value: &Option<std::sync::Arc<str>>| {
                value.as_ref().map(|value| format!(", {word} {value}")).unwrap_or_default()
            };
            let (region, service) = (part("region", &terms.region), part("service", &terms.service));
            let unsigned = if terms.unsigned { ", unsigned bodies too" } else { "" };
            format!("as signature of AWS{region}{service}{unsigned}")
        }
        CredentialPlace::Google(terms) => {
            let at = terms.endpoint.as_ref().map(|at| format!(" from {}", at.url())).unwrap_or_default();
            format!("as token of Google{at} for {}", terms.scopes.join(", "))
        }
    };
    let secret = &policy.secret;
    let one = |route| format!("requests of {who} by {route} get secret {secret}{key} {place}");
    Some(policy.parents.iter().map(|parent| one(parent.policy().0)).collect())
}
