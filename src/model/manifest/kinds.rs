//! The catalogue of kinds: which are enforced, which are only known, and where the others belong.
//!
//! A kind whose engine does not stand yet is refused whole; nothing of it is ever half done.

/// A kind with an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Who speaks.
    Agent,
    /// The way out.
    EgressGateway,
    /// Destinations by name, network and port.
    EgressL4Route,
    /// Requests by host, method, path and headers.
    EgressHttpRoute,
    /// Turns a route round.
    EgressDenyPolicy,
    /// General rules: a condition and what follows from it.
    EgressPolicy,
    /// Opens hosts for one agent, for a time.
    EgressApproval,
    /// Calls of language models by provider, model and endpoint.
    AiProviderRoute,
    /// Calls of tools by server and name.
    McpRoute,
    /// A server of tools.
    McpServer,
    /// By whose leave, and how often, tools are called.
    ToolPolicy,
    /// Which models, how much of them, and which content not.
    InferencePolicy,
    /// How much may be used in a time.
    BudgetPolicy,
    /// How many requests in a time.
    RateLimitPolicy,
    /// How many bytes each way.
    BandwidthPolicy,
    /// What must not leave, or come.
    DlpPolicy,
    /// Credentials that are put into requests.
    CredentialInjectionPolicy,
}

impl Kind {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "Agent",
            Self::EgressGateway => "EgressGateway",
            Self::EgressL4Route => "EgressL4Route",
            Self::EgressHttpRoute => "EgressHTTPRoute",
            Self::EgressDenyPolicy => "EgressDenyPolicy",
            Self::EgressPolicy => "EgressPolicy",
            Self::EgressApproval => "EgressApproval",
            Self::AiProviderRoute => "AIProviderRoute",
            Self::McpRoute => "MCPRoute",
            Self::McpServer => "McpServer",
            Self::ToolPolicy => "ToolPolicy",
            Self::InferencePolicy => "InferencePolicy",
            Self::BudgetPolicy => "BudgetPolicy",
            Self::RateLimitPolicy => "RateLimitPolicy",
            Self::BandwidthPolicy => "BandwidthPolicy",
            Self::DlpPolicy => "DLPPolicy",
            Self::CredentialInjectionPolicy => "CredentialInjectionPolicy",
        }
    }
}

/// What is done with documents of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Read and enforced.
    Enforced(Kind),
    /// Known and refused.
    NotYet,
    /// Refused here, with where it belongs.
    Elsewhere(&'static str),
}

/// API groups whose kinds are accepted as the same.
pub const API_VERSIONS: [(&str, ()); 3] =
    [("clawgress.io/v1alpha1", ()), ("clrk.apoxy.dev/v1alpha1", ()), ("kars.azure.com/v1alpha1", ())];

/// Every known kind, enforced ones first.
pub const KINDS: &[(&str, Standing)] = &[
    ("Agent", Standing::Enforced(Kind::Agent)),
    ("EgressGateway", Standing::Enforced(Kind::EgressGateway)),
    ("EgressL4Route", Standing::Enforced(Kind::EgressL4Route)),
    ("EgressHTTPRoute", Standing::Enforced(Kind::EgressHttpRoute)),
    ("EgressDenyPolicy", Standing::Enforced(Kind::EgressDenyPolicy)),
    ("EgressPolicy", Standing::Enforced(Kind::EgressPolicy)),
    ("EgressApproval", Standing::Enforced(Kind::EgressApproval)),
    ("AIProviderRoute", Standing::Enforced(Kind::AiProviderRoute)),
    ("MCPRoute", Standing::Enforced(Kind::McpRoute)),
    ("McpServer", Standing::Enforced(Kind::McpServer)),
    ("ToolPolicy", Standing::Enforced(Kind::ToolPolicy)),
    ("InferencePolicy", Standing::Enforced(Kind::InferencePolicy)),
    ("BudgetPolicy", Standing::Enforced(Kind::BudgetPolicy)),
    ("RateLimitPolicy", Standing::Enforced(Kind::RateLimitPolicy)),
    ("BandwidthPolicy", Standing::Enforced(Kind::BandwidthPolicy)),
    ("DLPPolicy", Standing::Enforced(Kind::DlpPolicy)),
    ("CredentialInjectionPolicy", Standing::Enforced(Kind::CredentialInjectionPolicy)),
    ("A2AAgent", Standing::NotYet),
    ("AgentSandboxRevision", Standing::NotYet),
    ("AnomalyPolicy", Standing::NotYet),
    ("DaemonAgent", Standing::NotYet),
    ("IdentityProvider", Standing::NotYet),
    ("KarsAuthConfig", Standing::NotYet),
    ("KarsEval", Standing::NotYet),
    ("KarsMemory", Standing::NotYet),
    ("KarsPairing", Standing::NotYet),
    ("KarsSandbox", Standing::NotYet),
    ("LoggingPolicy", Standing::NotYet),
    ("Role", Standing::NotYet),
    ("RoleBinding", Standing::NotYet),
    ("SignerPolicy", Standing::NotYet),
    ("TaskAgent", Standing::NotYet),
    ("TrustGraph", Standing::NotYet),
    ("WorkerPool", Standing::NotYet),
    (
        "Secret",
        Standing::Elsewhere(
            "it could be read by others here, and the vault keeps it sealed: `clawgress apply -f FILE` or `clawgress secret set \
             NAME` takes it; then remove the document, and change the value where others may have read it",
        ),
    ),
    (
        "PolicyTest",
        Standing::Elsewhere(
            "policy tests stand in files of their own, named `*.test.yaml`, and `clawgress test` reads them",
        ),
    ),
    (
        "ClawgressConfig",
        Standing::Elsewhere("daemon settings stand in a file of their own, `/etc/clawgress/clawgress.yaml`"),
    ),
];

/// Looks a kind up.
pub fn standing(kind: &str) -> Option<Standing> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, standing)| *standing)
}
