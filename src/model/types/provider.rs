//! Providers of language models, as documents name them, and the hosts that each documents for itself.
//!
//! The table is what opens connections for an `AIProviderRoute`, so it holds nothing that a customer of the provider could
//! name as he likes, but for the resources of Azure. Read next: `host.rs`.

use super::host::HostName;

/// A provider, or the wire format of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// OpenAI.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google: the Gemini API and Vertex AI.
    Google,
    /// OpenAI's models on Azure.
    AzureOpenAi,
    /// Amazon Bedrock.
    Bedrock,
    /// Any host that a document names, with an API compatible with OpenAI's, Anthropic's or Ollama's.
    Custom,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::OpenAi, Self::Anthropic, Self::Google, Self::AzureOpenAi, Self::Bedrock, Self::Custom];

    /// The provider that documents name so.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }

    /// How documents and records name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::AzureOpenAi => "azure-openai",
            Self::Bedrock => "bedrock",
            Self::Custom => "custom",
        }
    }

    /// Its name in OpenTelemetry (`gen_ai.provider.name`); none where there is no telling.
    pub const fn telemetry_name(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("openai"),
            Self::Anthropic => Some("anthropic"),
            Self::Google => Some("gcp.gen_ai"),
            Self::AzureOpenAi => Some("azure.ai.openai"),
            Self::Bedrock => Some("aws.bedrock"),
            Self::Custom => None,
        }
    }

    /// Its hosts; a star stands for at least one character of one label. None for `custom`, whose hosts are the document's.
    ///
    /// Source: the API references of each; for Bedrock the endpoints of the AWS General Reference, FIPS and dual-stack
    /// ones included.
    pub const fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &["api.openai.com"],
            Self::Anthropic => &["api.anthropic.com"],
            Self::Google => &[
                "generativelanguage.googleapis.com",
                "aiplatform.googleapis.com",
                "*-aiplatform.googleapis.com",
            ],
            Self::AzureOpenAi => {
                &["*.openai.azure.com", "*.cognitiveservices.azure.com", "*.services.ai.azure.com"]
            }
            Self::Bedrock => &[
                "bedrock-runtime.*.amazonaws.com",
                "bedrock-runtime-fips.*.amazonaws.com",
                "bedrock-runtime.*.api.aws",
                "bedrock-runtime-fips.*.api.aws",
                "bedrock-mantle.*.api.aws",
            ],
            Self::Custom => &[],
        }
    }

    /// Whether this is one of its hosts.
    pub fn serves(self, host: &HostName) -> bool {
        self.hosts().iter().any(|pattern| fits(pattern, host))
    }

    /// Whose host this is.
    pub fn of(host: &HostName) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.serves(host))
    }
}

/// Whether a host fits a pattern of [`Provider::hosts`].
pub fn fits(pattern: &str, host: &HostName) -> bool {
    fits_name(pattern, host.as_str())
}

/// The same for the text of one.
pub fn fits_name(pattern: &str, host: &str) -> bool {
    let Some((before, behind)) = pattern.split_once('*') else { return pattern == host };
    let star = host.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
    star.is_some_and(|star| !star.is_empty() && !star.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str) -> Option<Provider> {
        Provider::of(&HostName::parse(host).unwrap())
    }

    #[test]
    fn hosts_of_providers_are_known_and_look_alikes_are_not() {
        for (host, provider) in [
            ("api.openai.com", Provider::OpenAi),
            ("api.anthropic.com", Provider::Anthropic),
            ("generativelanguage.googleapis.com", Provider::Google),
            ("aiplatform.googleapis.com", Provider::Google),
            ("europe-west4-aiplatform.googleapis.com", Provider::Google),
            ("team-1.openai.azure.com", Provider::AzureOpenAi),
            ("team-1.services.ai.azure.com", Provider::AzureOpenAi),
            ("bedrock-runtime.eu-central-1.amazonaws.com", Provider::Bedrock),
            ("bedrock-runtime-fips.us-east-1.api.aws", Provider::Bedrock),
        ] {
            assert_eq!(of(host), Some(provider), "{host}");
        }
        for host in [
            "openai.com",
            "eu.api.openai.com.evil.example",
            "aiplatform.googleapis.com.evil.example",
            "evil.us-aiplatform.googleapis.com",
            "openai.azure.com",
            "a.b.openai.azure.com",
            "bedrock-runtime.a.b.amazonaws.com",
            "bedrock-runtime.amazonaws.com",
            "evil-bedrock-runtime.us-east-1.amazonaws.com",
            "api-openai.com",
        ] {
            assert_eq!(of(host), None, "{host}");
        }
    }

    #[test]
    fn a_provider_has_one_name() {
        for provider in Provider::ALL {
            assert_eq!(Provider::parse(provider.name()), Some(provider));
        }
        assert_eq!(Provider::parse("OpenAI"), None);
    }
}
