//! Policy documents as `get` shows them, and the forgiving way people write kinds.

use serde::{Deserialize, Serialize};

/// One document in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// `EgressGateway` and so on.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// File, as the loader names it.
    pub file: String,
    /// Line of the document's first key, from 1.
    pub line: u64,
    /// The document as it was written.
    pub body: serde_json::Value,
}

/// The kinds that can be in force.
pub const KINDS: [&str; 17] = [
    "Agent",
    "EgressGateway",
    "EgressL4Route",
    "EgressHTTPRoute",
    "EgressDenyPolicy",
    "EgressPolicy",
    "EgressApproval",
    "AIProviderRoute",
    "MCPRoute",
    "McpServer",
    "ToolPolicy",
    "InferencePolicy",
    "BudgetPolicy",
    "RateLimitPolicy",
    "BandwidthPolicy",
    "DLPPolicy",
    "CredentialInjectionPolicy",
];

/// The kind a person means: any case, singular or plural.
pub fn canonical_kind(text: &str) -> Option<&'static str> {
    let wanted = text.to_ascii_lowercase();
    KINDS.into_iter().find(|kind| {
        let kind = kind.to_ascii_lowercase();
        let plural = match kind.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{kind}s"),
        };
        wanted == kind || wanted == plural
    })
}

/// The kind nearest to what was written, for a hint.
pub fn nearest_kind(text: &str) -> Option<&'static str> {
    let wanted = text.to_ascii_lowercase();
    let distance = |kind: &str| strsim::damerau_levenshtein(&wanted, &kind.to_ascii_lowercase());
    KINDS.into_iter().min_by_key(|kind| distance(kind)).filter(|kind| distance(kind) <= kind.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::manifest::kinds::{self, Standing};

    #[test]
    fn every_kind_that_has_an_engine_can_be_in_force() {
        let enforced = kinds::KINDS.iter().filter(|(_, standing)| matches!(standing, Standing::Enforced(_)));
        assert_eq!(KINDS.to_vec(), enforced.map(|(kind, _)| *kind).collect::<Vec<_>>());
    }

    #[test]
    fn a_kind_is_known_in_any_case_and_in_the_plural() {
        for (text, kind) in [
            ("agents", Some("Agent")),
            ("Agent", Some("Agent")),
            ("egressdenypolicies", Some("EgressDenyPolicy")),
            ("EGRESSHTTPROUTES", Some("EgressHTTPRoute")),
            ("route", None),
        ] {
            assert_eq!(canonical_kind(text), kind, "{text}");
        }
        assert_eq!(nearest_kind("agnet"), Some("Agent"));
        assert_eq!(nearest_kind("zzzzzzzzzzzzzz"), None);
    }
}
