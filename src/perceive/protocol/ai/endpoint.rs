//! What a request asks for, by its method and path alone.
//!
//! Servers differ in how they read paths: some take letters of any case, some an empty segment for none. So does this,
//! because a spelling that is not understood here and is there would be a call that nobody counts. Read next:
//! `question.rs`.

use std::borrow::Cow;

use http::{HeaderMap, Method, header};

use crate::model::types::limits::MODEL_NAME_BYTES;
use crate::model::types::path::hex;
use crate::model::types::{InferenceAction, Provider};

/// What is asked for, which is also the shape of the request and of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// OpenAI's chat completions, and all that are compatible.
    Chat,
    /// OpenAI's completions of a text; Anthropic's former ones.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
    /// Anthropic's messages, also at Vertex.
    Messages,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    Generate,
    /// Gemini's `embedContent` and `batchEmbedContents`.
    Embed,
    /// Vertex' `predict`.
    Predict,
    /// Bedrock's `Converse` and `ConverseStream`.
    Converse,
    /// Bedrock's `InvokeModel` and `InvokeModelWithResponseStream`: the body is the model's own.
    Invoke,
    /// Ollama's `chat` and `generate`.
    Ollama,
    /// Counts tokens and generates none.
    CountTokens,
    /// Anything else that the provider offers: files, batches, assistants, models.
    Other,
}

impl Operation {
    /// How records name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat.completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Messages => "messages",
            Self::Generate => "generateContent",
            Self::Embed => "embedContent",
            Self::Predict => "predict",
            Self::Converse => "converse",
            Self::Invoke => "invoke",
            Self::Ollama => "ollama",
            Self::CountTokens => "countTokens",
            Self::Other => "other",
        }
    }

    /// Its name in OpenTelemetry (`gen_ai.operation.name`), where that has one.
    pub const fn telemetry_name(self) -> Option<&'static str> {
        match self {
            Self::Chat | Self::Responses | Self::Messages | Self::Converse | Self::Ollama => Some("chat"),
            Self::Completions => Some("text_completion"),
            Self::Embeddings | Self::Embed => Some("embeddings"),
            Self::Generate => Some("generate_content"),
            Self::Invoke | Self::Predict | Self::CountTokens | Self::Other => None,
        }
    }

    /// Whether it is known to be paid for by tokens, so that an answer without figures is estimated.
    pub const fn spends(self) -> bool {
        !matches!(self, Self::CountTokens | Self::Other)
    }

    /// What policies about calls of models call it; none for what generates nothing that they name.
    pub const fn action(self) -> Option<InferenceAction> {
        match self {
            Self::Chat
            | Self::Completions
            | Self::Messages
            | Self::Generate
            | Self::Converse
            | Self::Invoke
            | Self::Ollama => Some(InferenceAction::Chat),
            Self::Responses => Some(InferenceAction::Responses),
            Self::Embeddings | Self::Embed => Some(InferenceAction::Embeddings),
            Self::Predict => Some(InferenceAction::Image),
            Self::CountTokens | Self::Other => None,
        }
    }

    /// Whether a model may say something in its answer; so it is taken to be where nobody knows.
    pub const fn may_say(self) -> bool {
        !matches!(self, Self::Embeddings | Self::Embed | Self::CountTokens)
    }

    /// Whether it answers with text, and not only with numbers.
    pub const fn generates(self) -> bool {
        self.spends() && !matches!(self, Self::Embeddings | Self::Embed)
    }
}

/// Ends of paths at providers that cost no tokens, whatever is sent there.
const FREE: [&str; 6] = ["files", "uploads", "parts", "complete", "cancel", "moderations"];

/// Whether a request to a provider may be paid for by tokens that nobody here counts: what changes something there, or opens a
/// channel, and is not known to be free. What is read as a call is asked about where it is read.
pub fn may_spend(provider: Provider, method: &Method, path: &str, headers: &HeaderMap) -> bool {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE => {
            headers.contains_key(header::UPGRADE) || headers.contains_key("sec-websocket-version")
        }
        _ => {
            let operation = Endpoint::read(provider, &Method::POST, path).operation;
            let last = path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or_default();
            operation != Operation::CountTokens && !FREE.contains(&last)
        }
    }
}

/// What a path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose it is.
    pub provider: Provider,
    /// What is asked for.
    pub operation: Operation,
    /// The model or the deployment, where the path names it: then the body's is not heard.
    pub model: Option<Box<str>>,
    /// Whether the path asks for a stream, where it says so.
    pub streams: Option<bool>,
}

/// Operation, model, stream.
type Read<'p> = (Operation, Option<Cow<'p, str>>, Option<bool>);

impl Endpoint {
    /// Reads a method and a canonical path (`model::types::path`), without its query.
    pub fn read(provider: Provider, method: &Method, path: &str) -> Self {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (operation, model, streams) = match (method, provider) {
            (&Method::POST, Provider::Google) => google(&segments).unwrap_or_else(|| compatible(&segments)),
            (&Method::POST, Provider::Bedrock) => bedrock(&segments).unwrap_or_else(|| compatible(&segments)),
            (&Method::POST, _) => compatible(&segments),
            _ => (Operation::Other, None, None),
        };
        // A longer one is no model of any provider, and the provider says so.
        let model = model.filter(|model| model.len() <= MODEL_NAME_BYTES).map(|model| model.as_ref().into());
        Self { provider, operation, model, streams }
    }
}

/// Whether the last segments are these, in letters of any case.
fn ends_with(segments: &[&str], last: &[&str]) -> bool {
    let tail = segments.len().checked_sub(last.len()).and_then(|from| segments.get(from..));
    tail.is_some_and(|tail| tail.iter().zip(last).all(|(have, want)| have.eq_ignore_ascii_case(want)))
}

/// The paths of OpenAI, Azure, Anthropic and Ollama, below whatever prefix a host has put in front.
fn compatible<'p>(segments: &[&'p str]) -> Read<'p> {
    const PATHS: &[(&[&str], Operation)] = &[
        (&["chat", "completions"], Operation::Chat),
        (&["completions"], Operation::Completions),
        (&["v1", "complete"], Operation::Completions),
        (&["responses"], Operation::Responses),
        (&["responses", "compact"], Operation::Responses),
        (&["responses", "input_tokens"], Operation::CountTokens),
        (&["embeddings"], Operation::Embeddings),
        (&["v1", "messages"], Operation::Messages),
        (&["v1", "messages", "count_tokens"], Operation::CountTokens),
        (&["api", "chat"], Operation::Ollama),
        (&["api", "generate"], Operation::Ollama),
        (&["api", "embed"], Operation::Embeddings),
    ];
    let found = PATHS.iter().find(|(path, _)| ends_with(segments, path));
    let operation = found.map_or(Operation::Other, |(_, operation)| *operation);
    let deployment = segments.iter().position(|segment| segment.eq_ignore_ascii_case("deployments"));
    let model = deployment.and_then(|at| segments.get(at + 1)).map(|segment| decoded(segment));
    (operation, model, None)
}

/// `.../models/MODEL:VERB`; at Vertex also models of others, whose bodies are their own.
fn google<'p>(segments: &[&'p str]) -> Option<Read<'p>> {
    let (model, verb) = segments.last()?.rsplit_once(':')?;
    let publisher = segments.iter().position(|segment| segment.eq_ignore_ascii_case("publishers"));
    let publisher = publisher.and_then(|at| segments.get(at + 1)).copied().unwrap_or("google");
    let (operation, streams) = match verb.to_ascii_lowercase().as_str() {
        "generatecontent" => (Operation::Generate, false),
        "streamgeneratecontent" => (Operation::Generate, true),
        "embedcontent" | "batchembedcontents" => (Operation::Embed, false),
        "predict" => (Operation::Predict, false),
        "counttokens" | "computetokens" => (Operation::CountTokens, false),
        "rawpredict" if model.eq_ignore_ascii_case("count-tokens") => (Operation::CountTokens, false),
        "rawpredict" => (raw(publisher), false),
        "streamrawpredict" => (raw(publisher), true),
        _ => return None,
    };
    Some((operation, Some(decoded(model)), Some(streams)))
}

fn raw(publisher: &str) -> Operation {
    if publisher.eq_ignore_ascii_case("anthropic") { Operation::Messages } else { Operation::Chat }
}

/// `/model/ID/VERB`, where the ID may be an ARN with its slashes escaped.
fn bedrock<'p>(segments: &[&'p str]) -> Option<Read<'p>> {
    let [.., before, model, verb] = segments else { return None };
    if !before.eq_ignore_ascii_case("model") {
        return None;
    }
    let (operation, streams) = match verb.to_ascii_lowercase().as_str() {
        "invoke" => (Operation::Invoke, false),
        "invoke-with-response-stream" => (Operation::Invoke, true),
        "converse" => (Operation::Converse, false),
        "converse-stream" => (Operation::Converse, true),
        "count-tokens" => (Operation::CountTokens, false),
        _ => return None,
    };
    Some((operation, Some(decoded(model)), Some(streams)))
}

/// A segment without its escapes, once; as it is where they hide no UTF-8.
fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let (mut out, mut rest) = (Vec::with_capacity(segment.len()), segment.as_bytes());
    while let [byte, tail @ ..] = rest {
        let escaped = match (byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(out).map_or(Cow::Borrowed(segment), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_is_asked_for_and_of_which_model() {
        use Operation::*;
        use Provider::{Anthropic, AzureOpenAi, Bedrock, Custom, Google, OpenAi};
        let vertex = "/v1/projects/p/locations/global/publishers";
        for (provider, path, operation, model, streams) in [
            (OpenAi, "/v1/chat/completions", Chat, None, None),
            (OpenAi, "/v1/completions", Completions, None, None),
            (OpenAi, "/v1/responses", Responses, None, None),
            (OpenAi, "/v1/responses/compact", Responses, None, None),
            (OpenAi, "/v1/responses/input_tokens", CountTokens, None, None),
            (OpenAi, "/v1/embeddings", Embeddings, None, None),
            (OpenAi, "/v1/threads/t/messages", Other, None, None),
            (OpenAi, "//v1//Chat/Completions/", Chat, None, None),
            (Anthropic, "/v1/messages", Messages, None, None),
            (Anthropic, "/v1/messages/count_tokens", CountTokens, None, None),
            (Anthropic, "/v1/messages/batches", Other, None, None),
            (Anthropic, "/v1/chat/completions", Chat, None, None),
            (AzureOpenAi, "/openai/deployments/team%20a/chat/completions", Chat, Some("team a"), None),
            (AzureOpenAi, "/OpenAI/Deployments/d/Embeddings", Embeddings, Some("d"), None),
            (AzureOpenAi, "/openai/v1/responses", Responses, None, None),
            (AzureOpenAi, "/anthropic/v1/messages", Messages, None, None),
            (
                Google,
                "/v1beta/models/gemini-3-pro:generateContent",
                Generate,
                Some("gemini-3-pro"),
                Some(false),
            ),
            (Google, "/v1beta/models/g:streamGenerateContent", Generate, Some("g"), Some(true)),
            (Google, "/v1beta/models/g:countTokens", CountTokens, Some("g"), Some(false)),
            (Google, "/v1beta/models/g:batchEmbedContents", Embed, Some("g"), Some(false)),
            (Google, "/v1beta/models/g:batchGenerateContent", Other, None, None),
            (Google, "/v1beta/openai/chat/completions", Chat, None, None),
            (Google, &format!("{vertex}/google/models/g:generateContent"), Generate, Some("g"), Some(false)),
            (
                Google,
                &format!("{vertex}/anthropic/models/c@1:streamRawPredict"),
                Messages,
                Some("c@1"),
                Some(true),
            ),
            (
                Google,
                &format!("{vertex}/anthropic/models/count-tokens:rawPredict"),
                CountTokens,
                Some("count-tokens"),
                Some(false),
            ),
            (Google, &format!("{vertex}/mistralai/models/m:rawPredict"), Chat, Some("m"), Some(false)),
            (
                Bedrock,
                "/model/us.anthropic.claude-v1:0/converse-stream",
                Converse,
                Some("us.anthropic.claude-v1:0"),
                Some(true),
            ),
            (
                Bedrock,
                "/model/arn:aws:bedrock:us-east-1:1:inference-profile%2Fp/invoke",
                Invoke,
                Some("arn:aws:bedrock:us-east-1:1:inference-profile/p"),
                Some(false),
            ),
            (Bedrock, "/model/m/count-tokens", CountTokens, Some("m"), Some(false)),
            (Bedrock, "/model/m/async-invoke", Other, None, None),
            (Bedrock, "/openai/v1/chat/completions", Chat, None, None),
            (Custom, "/prefix/v1/chat/completions", Chat, None, None),
            (Custom, "/api/generate", Ollama, None, None),
            (Custom, "/v1/models", Other, None, None),
            (Custom, "/", Other, None, None),
        ] {
            let read = Endpoint::read(provider, &Method::POST, path);
            assert_eq!(
                (read.operation, read.model.as_deref(), read.streams),
                (operation, model, streams),
                "{path}"
            );
            let got = Endpoint::read(provider, &Method::GET, path);
            assert_eq!(got.operation, Other, "GET {path} asks for nothing to be generated");
        }
    }
}
