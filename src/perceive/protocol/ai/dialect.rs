//! How each provider words an error, so that its own SDKs raise the exception that they have for it.
//!
//! An answer that is refused whole and a stream that is ended on its way say the same. Pure: what is wrong is told by whoever
//! refuses. Source: the API references of each, "Errors". Read next: `ending.rs`.

use serde_json::{Value, json};

use super::endpoint::{Endpoint, Operation};
use crate::model::types::Provider;

/// Whose words an SDK understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's, and of all that are compatible.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Google's, of the Gemini API and of Vertex AI.
    Google,
    /// Amazon Bedrock's.
    Bedrock,
    /// Ollama's.
    Ollama,
}

/// What is wrong, as far as providers tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What may be used is used up.
    UsedUp,
    /// Too much at once: a little later it goes.
    TooFast,
    /// It is not allowed.
    Forbidden,
    /// The request is malformed.
    Invalid,
    /// The request is too large.
    TooLarge,
    /// Somebody cannot do what is asked now.
    Unavailable,
    /// Somebody has failed.
    Failed,
}

/// An error that is to be worded.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// What is wrong.
    pub fault: Fault,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// The gateway's own code for it.
    pub code: &'a str,
    /// The sentence for whoever reads it.
    pub message: &'a str,
    /// The request's id.
    pub request_id: &'a str,
}

impl Dialect {
    /// The one that clients of this endpoint understand.
    pub fn of(endpoint: &Endpoint) -> Self {
        match (endpoint.operation, endpoint.provider) {
            (Operation::Completions, Provider::Anthropic) | (Operation::Messages, _) => Self::Anthropic,
            (Operation::Chat | Operation::Completions | Operation::Responses | Operation::Embeddings, _) => {
                Self::OpenAi
            }
            (Operation::Generate | Operation::Embed | Operation::Predict, _) => Self::Google,
            (Operation::Converse | Operation::Invoke, _) => Self::Bedrock,
            (Operation::Ollama, _) => Self::Ollama,
            (Operation::CountTokens | Operation::Other, provider) => Self::of_provider(provider),
        }
    }

    /// The one of a provider's own SDKs.
    pub const fn of_provider(provider: Provider) -> Self {
        match provider {
            Provider::OpenAi | Provider::AzureOpenAi | Provider::Custom => Self::OpenAi,
            Provider::Anthropic => Self::Anthropic,
            Provider::Google => Self::Google,
            Provider::Bedrock => Self::Bedrock,
        }
    }

    /// The members by which its SDKs know an error.
    pub fn members(self, refused: Refused<'_>) -> Vec<(&'static str, Value)> {
        let Refused { message, request_id, .. } = refused;
        match self {
            Self::OpenAi => vec![("error", openai(refused))],
            Self::Anthropic => {
                let error = json!({"type": anthropic(refused), "message": message});
                vec![("type", "error".into()), ("error", error), ("request_id", request_id.into())]
            }
            Self::Google => vec![("error", google(refused))],
            Self::Bedrock => vec![("message", message.into())],
            Self::Ollama => vec![("error", message.into())],
        }
    }

    /// The field of an answer that names the exception, where it has one (Bedrock).
    pub fn exception(self, refused: Refused<'_>) -> Option<&'static str> {
        (self == Self::Bedrock).then(|| bedrock(refused.fault))
    }

    /// Whether its SDKs heed `x-should-retry`. Without it they ask again after 429 and after 500 and above, some of them however
    /// late it is that they may.
    pub fn heeds_should_retry(self) -> bool {
        matches!(self, Self::OpenAi | Self::Anthropic)
    }
}

/// OpenAI, "Error codes".
fn openai(Refused { fault, code, message, .. }: Refused<'_>) -> Value {
    let (kind, code) = match fault {
        Fault::UsedUp => ("insufficient_quota", "insufficient_quota"),
        Fault::TooFast => ("requests", "rate_limit_exceeded"),
        Fault::Invalid | Fault::TooLarge => ("invalid_request_error", code),
        Fault::Forbidden | Fault::Unavailable | Fault::Failed => ("clawgress_denial", code),
    };
    json!({"message": message, "type": kind, "param": null, "code": code})
}

/// Anthropic, "Errors", HTTP errors.
fn anthropic(refused: Refused<'_>) -> &'static str {
    match refused.fault {
        Fault::UsedUp | Fault::TooFast => "rate_limit_error",
        Fault::Forbidden => "permission_error",
        Fault::Invalid => "invalid_request_error",
        Fault::TooLarge => "request_too_large",
        Fault::Unavailable | Fault::Failed => "api_error",
    }
}

/// AIP-193, "Errors": `google.rpc.Status` in JSON.
fn google(Refused { fault, status, message, .. }: Refused<'_>) -> Value {
    let word = match fault {
        Fault::UsedUp | Fault::TooFast => "RESOURCE_EXHAUSTED",
        Fault::Forbidden => "PERMISSION_DENIED",
        Fault::Invalid | Fault::TooLarge => "INVALID_ARGUMENT",
        Fault::Unavailable => "UNAVAILABLE",
        Fault::Failed => "INTERNAL",
    };
    json!({"code": status, "message": message, "status": word, "details": []})
}

/// Amazon Bedrock Runtime, `Converse` and `InvokeModel`, "Errors".
fn bedrock(fault: Fault) -> &'static str {
    match fault {
        Fault::UsedUp | Fault::TooFast => "ThrottlingException",
        Fault::Forbidden => "AccessDeniedException",
        Fault::Invalid | Fault::TooLarge => "ValidationException",
        Fault::Unavailable => "ServiceUnavailableException",
        Fault::Failed => "InternalServerException",
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn of(provider: Provider, path: &str) -> Dialect {
        Dialect::of(&Endpoint::read(provider, &Method::POST, path))
    }

    #[test]
    fn the_path_says_whose_words_a_client_understands_and_else_the_host() {
        use Provider::{Anthropic, AzureOpenAi, Bedrock, Custom, Google, OpenAi};
        for (provider, path, dialect) in [
            (OpenAi, "/v1/responses", Dialect::OpenAi),
            (OpenAi, "/v1/files", Dialect::OpenAi),
            (AzureOpenAi, "/openai/deployments/d/chat/completions", Dialect::OpenAi),
            (AzureOpenAi, "/anthropic/v1/messages", Dialect::Anthropic),
            (Anthropic, "/v1/messages/count_tokens", Dialect::Anthropic),
            (Anthropic, "/v1/complete", Dialect::Anthropic),
            (Anthropic, "/v1/chat/completions", Dialect::OpenAi),
            (Google, "/v1beta/models/g:streamGenerateContent", Dialect::Google),
            (Google, "/v1beta/openai/chat/completions", Dialect::OpenAi),
            (Google, "/v1beta/models/g:countTokens", Dialect::Google),
            (Bedrock, "/model/m/converse-stream", Dialect::Bedrock),
            (Bedrock, "/openai/v1/chat/completions", Dialect::OpenAi),
            (Custom, "/api/chat", Dialect::Ollama),
            (Custom, "/v1/messages", Dialect::Anthropic),
            (Custom, "/elsewhere", Dialect::OpenAi),
        ] {
            assert_eq!(of(provider, path), dialect, "{path}");
        }
    }

    #[test]
    fn a_budget_that_is_used_up_has_the_word_of_each_provider() {
        let refused = Refused {
            fault: Fault::UsedUp,
            status: 429,
            code: "quota.tokens",
            message: "used up",
            request_id: "r1",
        };
        let said = |dialect: Dialect| {
            let members = dialect.members(refused).into_iter();
            let members = members.map(|(name, value)| (name.to_owned(), value));
            Value::Object(members.collect())
        };
        let quota = json!({"message": "used up", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"});
        assert_eq!(said(Dialect::OpenAi), json!({"error": quota}));
        assert_eq!(
            said(Dialect::Anthropic),
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "used up"}, "request_id": "r1"})
        );
        assert_eq!(
            said(Dialect::Google),
            json!({"error": {"code": 429, "message": "used up", "status": "RESOURCE_EXHAUSTED", "details": []}})
        );
        assert_eq!(said(Dialect::Bedrock), json!({"message": "used up"}));
        assert_eq!(Dialect::Bedrock.exception(refused), Some("ThrottlingException"));
        assert_eq!(said(Dialect::Ollama), json!({"error": "used up"}));
        assert!(Dialect::OpenAi.heeds_should_retry() && !Dialect::Google.heeds_should_retry());
    }
}
