//! What documents say of credentials: which secret is put where, for whom and by which routes.

use std::sync::Arc;

use super::{Origin, Selector};
use crate::model::types::{AwsTerms, CredentialPlace, PolicyRef};

/// `kind: CredentialInjectionPolicy`.
#[derive(Debug, Clone)]
pub struct CredentialPolicy {
    /// `spec.parentRefs`, at least one.
    pub parents: Vec<CredentialParent>,
    /// `spec.sourceAgents`; absent means every agent. Beside an agent's own labels it may ask for the labels
    /// [`CredentialPolicy::LABELS`], which every agent has.
    pub source_agents: Option<Selector>,
    /// `spec.secretRef.name`.
    pub secret: Arc<str>,
    /// `spec.secretKey`.
    pub key: Option<Arc<str>>,
    /// `spec.target` and what belongs to it.
    pub place: CredentialPlace,
    /// Where it stands.
    pub origin: Origin,
}

impl CredentialPolicy {
    /// Labels that agents have by their name, team and project, for selectors.
    pub const LABELS: [&'static str; 3] = ["clawgress.io/agent", "clawgress.io/team", "clawgress.io/project"];
}

impl CredentialPolicy {
    /// The values that it cannot do without, by their keys; without a key the only one, or `value`.
    pub fn keys(&self) -> Vec<Option<&str>> {
        match &self.place {
            CredentialPlace::Aws(_) => AwsTerms::KEYS.into_iter().map(Some).collect(),
            _ => vec![self.key.as_deref()],
        }
    }
}

/// What a credential is bound to: something that lets single requests through.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CredentialParent {
    /// An AIProviderRoute.
    Ai(Arc<str>),
    /// An EgressHTTPRoute.
    Http(Arc<str>),
    /// An MCPRoute.
    Mcp(Arc<str>),
    /// An McpServer.
    Server(Arc<str>),
}

impl CredentialParent {
    /// As records name it.
    pub fn policy(&self) -> PolicyRef {
        match self {
            Self::Ai(name) => PolicyRef::new("AIProviderRoute", name),
            Self::Http(name) => PolicyRef::new("EgressHTTPRoute", name),
            Self::Mcp(name) => PolicyRef::new("MCPRoute", name),
            Self::Server(name) => PolicyRef::new("McpServer", name),
        }
    }
}
